//! What an attacker has: a page of another origin. And what stands between the
//! browser and the demo to see, and to change, what the browser sends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Serves one page, on a free port, as long as the tests run.
pub(crate) fn serve(html: String) -> u16 {
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{html}",
        html.len()
    );
    listen(move |stream| {
        if head(&mut BufReader::new(&stream)).is_some() {
            let _ = (&stream).write_all(response.as_bytes());
        }
    })
}

/// A page with a form for another site, and a button `#win` that sends it.
pub(crate) fn page(action: &str, fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"));
    let fields = fields.collect::<String>();
    format!(
        "<!doctype html><title>A prize</title>\
         <form method=\"post\" action=\"{action}\">{fields}<button id=\"win\">Win</button></form>"
    )
}

/// A form that came through, and the answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The lines of the request, in lower case.
    request: String,
    pub(crate) status: u16,
}

impl Exchange {
    /// The field of the request with this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self
            .request
            .lines()
            .filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }
}

/// A reverse proxy in front of the demo, as long as the tests run.
pub(crate) struct Relay {
    pub(crate) port: u16,
    posts: Arc<Mutex<Vec<Exchange>>>,
}

impl Relay {
    /// Without Fetch Metadata it is as if the browser were an old one.
    pub(crate) fn start(to: u16, fetch_metadata: bool) -> Self {
        let posts = Arc::<Mutex<Vec<Exchange>>>::default();
        let seen = posts.clone();
        let port = listen(move |stream| {
            if let Some(post) = relay(&stream, to, fetch_metadata) {
                seen.lock().unwrap().push(post);
            }
        });
        Self { port, posts }
    }

    /// The forms since the last time.
    pub(crate) fn take_posts(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.posts.lock().unwrap())
    }
}

/// One request and its response, of which it returns what is a form's.
fn relay(client: &TcpStream, to: u16, fetch_metadata: bool) -> Option<Exchange> {
    let mut reader = BufReader::new(client);
    let head = head(&mut reader)?;
    let is_wanted = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("connection:") && (fetch_metadata || !line.starts_with("sec-fetch-"))
    };
    let lines = head.lines().filter(is_wanted).collect::<Vec<_>>();
    let mut exchange = Exchange {
        request: lines.join("\n").to_ascii_lowercase(),
        status: 0,
    };
    let body_len = exchange
        .header("content-length")
        .map(|len| len.parse().unwrap());
    let mut body = vec![0; body_len.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;

    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).ok()?;
    let head = lines.join("\r\n") + "\r\nConnection: close\r\n\r\n";
    server.write_all(head.as_bytes()).ok()?;
    server.write_all(&body).ok()?;
    let mut response = Vec::new();
    server.read_to_end(&mut response).ok()?;
    let status = response
        .get(9..12)
        .and_then(|status| str::from_utf8(status).ok())?;
    exchange.status = status.parse().ok()?;
    let is_post = exchange.request.starts_with("post ");
    // What the browser has seen has been noted.
    let answered = (&*client).write_all(&response);
    (is_post && answered.is_ok()).then_some(exchange)
}

/// Up to the empty line. `None` if the connection was not used.
fn head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    head.truncate(head.len() - 4);
    Some(head)
}

/// A thread for each connection: browsers open some that they do not use.
fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    port
}
