//! A way to a server that can be cut, or loses what it carries.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Carries bytes from a port of its own to a server's, and back.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Nobody gets through, and whoever came is sent away.
    is_cut: AtomicBool,
    /// What the server says on connections that sent these bytes is lost.
    swallowed: Mutex<Option<Vec<u8>>>,
    /// So many answers to such bytes are replaced by the connection's end.
    answers_to_cut: AtomicUsize,
    cutting_at: Mutex<Option<Vec<u8>>>,
    /// How long everything is on its way, in either direction.
    delay: Mutex<Duration>,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// To the server at this port of loopback.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        // Ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server))
                    && !shared.is_cut.load(Ordering::SeqCst)
                {
                    carry(&shared, &client, &server);
                }
            }
        });
        Self { port, state }
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections, and lets none through until
    /// [`mend`](Self::mend).
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.end_all();
    }

    /// Lets connections through again, and everything that they say.
    pub fn mend(&self) {
        *lock(&self.state.swallowed) = None;
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// From now on everything takes so long, there and back again.
    pub fn delay(&self, delay: Duration) {
        *lock(&self.state.delay) = delay;
    }

    /// From now on nothing comes back on connections over which these bytes
    /// went at their beginning, before or later.
    pub fn swallow(&self, sent: &[u8]) {
        *lock(&self.state.swallowed) = Some(sent.to_vec());
    }

    /// The server gets the next request that has these bytes in it, and its
    /// answer is the end of the connection. So for as many as are told.
    pub fn cut_answers_to(&self, sent: &[u8], count: usize) {
        *lock(&self.state.cutting_at) = Some(sent.to_vec());
        self.state.answers_to_cut.store(count, Ordering::SeqCst);
    }
}

impl State {
    /// Returns when what came then is to arrive.
    fn travel_since(&self, came: Instant) {
        let arrives = came + *lock(&self.delay);
        while let Some(left) = arrives.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
    }

    fn end_all(&self) {
        for connection in lock(&self.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn is_swallowed(&self, said: &[u8]) -> bool {
        contains(said, lock(&self.swallowed).as_deref())
    }

    /// Whether the answer to this request is to be the end.
    fn cuts(&self, said: &[u8]) -> bool {
        contains(said, lock(&self.cutting_at).as_deref())
            && self
                .answers_to_cut
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
    }
}

fn carry(state: &Arc<State>, client: &TcpStream, server: &TcpStream) {
    let clones = || {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        lock(&state.connections).extend([client.try_clone()?, server.try_clone()?]);
        Ok::<_, std::io::Error>((
            (client.try_clone()?, server.try_clone()?),
            (server.try_clone()?, client.try_clone()?),
        ))
    };
    let Ok((there, back)) = clones() else {
        return;
    };
    // What the client has said so far, as far as it matters, and whether what
    // comes next is the end.
    let said = Arc::new(Mutex::new(Vec::new()));
    let ends = Arc::new(AtomicBool::new(false));
    let (also_state, also_said, also_ends) =
        (Arc::clone(state), Arc::clone(&said), Arc::clone(&ends));
    thread::spawn(move || {
        copy(&also_state, there, |bytes| {
            let mut said = lock(&also_said);
            // A subscription is the first thing that is said.
            if said.len() < 4096 {
                said.extend_from_slice(bytes);
            }
            if also_state.cuts(bytes) {
                also_ends.store(true, Ordering::SeqCst);
            }
            true
        });
    });
    let state = Arc::clone(state);
    thread::spawn(move || {
        copy(&state, back, |_| {
            if ends.load(Ordering::SeqCst) {
                return false;
            }
            // For ever, and without an end that could be noticed.
            while state.is_swallowed(&lock(&said)) {
                thread::park_timeout(Duration::from_millis(20));
            }
            true
        });
    });
}

/// Until one of the two ends, or `goes_on` says so.
fn copy(
    state: &State,
    (mut from, mut to): (TcpStream, TcpStream),
    goes_on: impl Fn(&[u8]) -> bool,
) {
    let (send, on_its_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::scope(|scope| {
        let end = (from.try_clone(), to.try_clone());
        scope.spawn(move || {
            for (came, bytes) in on_its_way {
                state.travel_since(came);
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
            for side in [end.0, end.1].into_iter().flatten() {
                let _ = side.shutdown(Shutdown::Both);
            }
        });
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..length];
            if !goes_on(bytes) || send.send((Instant::now(), bytes.to_vec())).is_err() {
                break;
            }
        }
        drop(send);
    });
}

fn contains(said: &[u8], part: Option<&[u8]>) -> bool {
    part.is_some_and(|part| said.windows(part.len()).any(|window| window == part))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
