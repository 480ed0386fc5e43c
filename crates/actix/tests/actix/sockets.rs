//! A server with several workers, over sockets: what no call in process shows.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::web;
use actix_web::{App, HttpServer};
use revocable_actix::{CsrfMiddleware, SessionMiddleware};

use crate::browser::{Site, routes};
use crate::events::events;

/// Sends a request and reads until the server closes, or until `end` has come.
fn ask(address: SocketAddr, head: &str, end: Option<&str>) -> (TcpStream, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    // So that a server that does not answer fails the test.
    let timeout = Some(Duration::from_secs(30));
    connection.set_read_timeout(timeout).unwrap();
    let fields = "host: example.com\r\nsec-fetch-site: same-origin\r\nconnection: close\r\n";
    write!(connection, "{head}\r\n{fields}content-length: 0\r\n\r\n").unwrap();
    let text = read(&mut connection, end);
    (connection, text)
}

fn read(connection: &mut TcpStream, end: Option<&str>) -> String {
    let (mut text, mut bytes) = (String::new(), [0; 1024]);
    while end.is_none_or(|end| !text.contains(end)) {
        match connection.read(&mut bytes).unwrap() {
            0 => break,
            len => text.push_str(std::str::from_utf8(&bytes[..len]).unwrap()),
        }
    }
    text
}

fn cookie(answer: &str) -> String {
    let line = answer.lines().find(|line| line.starts_with("set-cookie: "));
    let value = line.unwrap().trim_start_matches("set-cookie: ");
    value.split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn workers_share_the_sessions_and_a_revocation_closes_the_connection() {
    let site = Site::new();
    let (web, csrf) = (site.web.clone(), site.csrf.clone());
    let server = HttpServer::new(move || {
        App::new()
            .configure(routes)
            .route("/events", web::get().to(events))
            .wrap(CsrfMiddleware::new(csrf.clone()))
            .wrap(SessionMiddleware::new(web.clone()))
    })
    .workers(2)
    .disable_signals()
    .bind((Ipv4Addr::LOCALHOST, 0))
    .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);

    let asked = web::block(move || {
        let (_, answer) = ask(address, "POST /login/alice HTTP/1.1", None);
        let old = cookie(&answer);
        site.clock.advance(Duration::from_secs(601));
        // An error that becomes a response in the server alone.
        let guarded = format!("GET /guarded HTTP/1.1\r\ncookie: {old}");
        let (_, answer) = ask(address, &guarded, None);
        assert!(answer.starts_with("HTTP/1.1 418 "), "{answer}");
        assert_eq!(answer.matches("set-cookie: ").count(), 1);
        let new = cookie(&answer);
        assert_ne!(new, old);
        // By turns at both workers.
        for _ in 0..4 {
            let private = format!("GET /private HTTP/1.1\r\ncookie: {new}");
            let (_, answer) = ask(address, &private, None);
            assert!(answer.ends_with("\r\n\r\nalice"), "{answer}");
        }
        let stream = format!("GET /events HTTP/1.1\r\ncookie: {new}");
        let (mut connection, answer) = ask(address, &stream, Some("data: hello\n\n"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let everywhere = format!("POST /logout-everywhere HTTP/1.1\r\ncookie: {new}");
        ask(address, &everywhere, None);
        // Returns because the server has closed the connection.
        read(&mut connection, None);
    });
    let asked = asked.await;
    handle.stop(false).await;
    server.await.unwrap().unwrap();
    asked.unwrap();
}
