//! A web application with logins: sign up, log in on several devices, see them,
//! log one of them out, or all.
//!
//! ```sh
//! cargo run --example login                          # says where it listens
//! cargo run --example login -- --port 3000 --file PATH
//! cargo run --example login -- --help
//! ```
//!
//! Sessions are in a SQLite file with a cache in front, users in another file
//! beside it; both outlast the program. With `--redis redis://127.0.0.1/` or
//! `--postgres postgresql://postgres@127.0.0.1/postgres` they are on that server, with a
//! cache in front that hears what others end: start it twice on two ports, and a log out
//! everywhere on one closes the open pages on the other. Who signs up first is the
//! administrator.
//!
//! | file | |
//! | --- | --- |
//! | `options` | what the command line says |
//! | `store` | the session store that it chose |
//! | `users`, `passwords` | the application's own: names, and hashes of passwords |
//! | `app` | routes and layers, and what all handlers share |
//! | `account`, `password`, `devices`, `live`, `admin` | the pages, each with its forms |
//! | `html`, `problem` | how a page is written, and what is said when something fails |
//!
//! # Cookies over plain HTTP
//!
//! The cookie is `__Host-session` and `Secure`, as it has to be over TLS. Chromium
//! and Firefox take that from `http://localhost` too, and keep it. Safari does not:
//! for that there is `--insecure-cookie`, which is nothing for production.
//!
//! # What a real one has besides
//!
//! TLS, a limit on attempts at passwords (also where they are asked for again), a
//! limit on the time that a request may take, and a way back in for who has forgotten
//! theirs.

mod account;
mod admin;
mod app;
mod devices;
mod html;
mod live;
mod options;
mod password;
mod passwords;
mod problem;
mod store;
mod users;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use app::App;
use options::{Options, USAGE};

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            problem::report(&*error);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async { serve(App::open(options).await?, options.port).await })
}

async fn serve(app: App, port: u16) -> Result<(), Box<dyn Error>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!(
        "Listening on http://localhost:{}/",
        listener.local_addr()?.port()
    );
    tokio::spawn(store::tidy_up(app.sessions.clone()));
    let service = app::router(app)?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
