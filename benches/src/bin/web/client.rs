//! Clients that each keep a connection open and wait for each answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use revocable_benches::measure::Run;
use revocable_benches::workload::Request;

/// How many there are: enough that the server never waits for work.
pub(crate) const COUNT: usize = 8;

pub(crate) struct Clients(Vec<Connection>);

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Clients {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let connect = |_| {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            Ok(Connection {
                stream,
                buffer: vec![0; 4_096],
            })
        };
        (0..COUNT).map(connect).collect::<io::Result<_>>().map(Self)
    }

    /// The requests divided among them, all at the same time.
    pub(crate) fn run<'a>(mut self) -> Run<'a> {
        Box::new(move |requests, mut latencies| {
            let parts = requests.chunks(requests.len().div_ceil(COUNT));
            let timed = latencies.is_some();
            thread::scope(|scope| {
                let threads: Vec<_> = self
                    .0
                    .iter_mut()
                    .zip(parts)
                    .map(|(connection, requests)| {
                        scope.spawn(move || connection.ask_all(requests, timed))
                    })
                    .collect();
                let mut right = 0;
                for thread in threads {
                    let (of_one, own) = thread.join().unwrap();
                    right += of_one;
                    if let Some(latencies) = latencies.as_deref_mut() {
                        latencies.extend(own);
                    }
                }
                right
            })
        })
    }
}

impl Connection {
    fn ask_all(&mut self, requests: &[Request], timed: bool) -> (usize, Vec<u64>) {
        let (mut right, mut latencies) = (0, Vec::new());
        for request in requests {
            let start = timed.then(Instant::now);
            right += usize::from(self.ask(request).unwrap());
            latencies.extend(start.map(|start| start.elapsed().as_nanos() as u64));
        }
        (right, latencies)
    }

    /// Whether the answer is 200 with the user, or as many bytes as it has.
    fn ask(&mut self, request: &Request) -> io::Result<bool> {
        self.stream.write_all(&request.key)?;
        let mut len = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[len..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            len += read;
            let answer = &self.buffer[..len];
            let Some(head) = answer.windows(4).position(|part| part == b"\r\n\r\n") else {
                continue;
            };
            let body = &answer[head + 4..];
            if !answer.starts_with(b"HTTP/1.1 200") {
                return Ok(false);
            }
            if body.len() >= request.user.len() {
                return Ok(body == request.user.as_bytes() || body == b"user-........");
            }
        }
    }
}
