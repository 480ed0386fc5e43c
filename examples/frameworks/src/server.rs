//! A server that ends with its handle. Not part of what is shown.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

pub struct Server {
    address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(
        address: SocketAddr,
        threads: Vec<JoinHandle<()>>,
        stop: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self {
            address,
            stop: Some(Box::new(stop)),
            threads,
        }
    }

    /// Runs a future on a runtime of its own. It listens, and is told when to
    /// stop.
    pub(crate) fn on_tokio<F>(
        serve: impl FnOnce(tokio::net::TcpListener, oneshot::Receiver<()>) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>>,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the example");
            runtime
                .block_on(async {
                    serve(tokio::net::TcpListener::from_std(listener)?, stopped).await
                })
                .expect("the example serves until it is stopped");
        });
        Ok(Self::new(address, vec![thread], || {
            let _ = stop.send(());
        }))
    }

    /// Where it listens: a port of this machine that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
        for thread in self.threads.drain(..) {
            // If it panicked, requests went without an answer.
            let _ = thread.join();
        }
    }
}
