//! As much of a browser as HTTP/1.0 takes: a cookie, forms, and streams that are
//! read line by line. In version 1.0 nothing comes in chunks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use revocable_tests::demo::Server;

/// A server that does not answer fails the test.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Browser {
    port: u16,
    agent: String,
    /// Name and value.
    pub(crate) cookie: Option<String>,
    /// What `Origin` says of a form; `None` for no such field.
    pub(crate) origin: Option<String>,
}

impl Browser {
    pub(crate) fn new(server: &Server, agent: &str) -> Self {
        Self {
            port: server.port,
            agent: agent.to_owned(),
            cookie: None,
            origin: Some(format!("http://localhost:{}", server.port)),
        }
    }

    /// The same browser, with its cookie, at another server.
    pub(crate) fn at(&self, server: &Server) -> Self {
        Self {
            cookie: self.cookie.clone(),
            ..Self::new(server, &self.agent)
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        let stream = self.send("GET", path, "");
        self.receive(stream)
    }

    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let fields = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        let form = fields.collect::<Vec<_>>().join("&");
        let stream = self.send("POST", path, &form);
        self.receive(stream)
    }

    /// A stream, after its header.
    pub(crate) fn open(&mut self, path: &str) -> Lines {
        let mut lines = Lines(BufReader::new(self.send("GET", path, "")));
        assert_eq!(lines.line().as_deref(), Some("HTTP/1.0 200 OK"));
        while lines.line().is_some_and(|line| !line.is_empty()) {}
        lines
    }

    fn send(&self, method: &str, path: &str, form: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost:{}\r\nUser-Agent: {}\r\n",
            self.port, self.agent
        );
        if let Some(cookie) = &self.cookie {
            request += &format!("Cookie: {cookie}\r\n");
        }
        if method == "POST" {
            if let Some(origin) = &self.origin {
                request += &format!("Origin: {origin}\r\n");
            }
            request += &format!(
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                form.len()
            );
        }
        stream
            .write_all(format!("{request}\r\n{form}").as_bytes())
            .unwrap();
        stream
    }

    /// A form whose fields are held back: returns when the server asks for them,
    /// having looked at the rest of the request.
    pub(crate) fn begin_post(&self, path: &str, len: usize) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let (port, cookie) = (self.port, self.cookie.as_deref().unwrap());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\
             Origin: http://localhost:{port}\r\nCookie: {cookie}\r\nExpect: 100-continue\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut answer = vec![0; go_on.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, go_on);
        stream
    }

    pub(crate) fn receive(&mut self, mut stream: TcpStream) -> Response {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (status, fields) = head.split_once("\r\n").unwrap();
        let response = Response {
            status: status.split(' ').nth(1).unwrap().parse().unwrap(),
            fields: fields.to_owned(),
            body: body.to_owned(),
        };
        if let Some(cookie) = response.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap().to_owned();
            self.cookie = (!cookie.contains("Max-Age=0")).then_some(pair);
        }
        response
    }
}

pub(crate) struct Response {
    pub(crate) status: u16,
    fields: String,
    pub(crate) body: String,
}

impl Response {
    /// The first field of this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn location(&self) -> Option<&str> {
        self.header("location")
    }
}

pub(crate) struct Lines(BufReader<TcpStream>);

impl Lines {
    /// The next one; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }
}

/// For a form: every byte but letters and digits in hexadecimal.
fn encode(value: &str) -> String {
    let encoded = value.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}
