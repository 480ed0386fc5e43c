//! The process that is killed: its command line, and what it says.

use std::path::Path;
use std::process::{Command, Stdio};

use revocable::Epoch;

use crate::durability::backend::Backend;
use crate::durability::script::Expected;

/// How a program of this package is started to take the clients' next steps,
/// until it is killed or each has taken `steps`.
///
/// It says on its standard output `ready` when the store is open, `ack CLIENT
/// EPOCH` for each step that was acknowledged, with the epoch at which the
/// client's last login began, and `error CLIENT KIND` for each that failed.
pub fn client_process(
    program: &str,
    backend: Backend,
    folder: &Path,
    clients: &[(Expected, Option<Epoch>)],
    steps: u64,
) -> Command {
    let mut command = Command::new(program);
    command
        .arg(backend.name())
        .arg(folder)
        .arg(steps.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for (client, begun) in clients {
        let epoch = begun.map_or(0, Epoch::get);
        command.arg(format!("{}:{epoch}", client.next));
    }
    command
}

/// A line of what the process says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The store is open.
    Ready,
    /// A client's step was acknowledged.
    Ack(usize, Option<Epoch>),
    /// A client's step failed, with this kind of error.
    Failed(usize, String),
}

impl Said {
    /// `None` for what is cut off.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        match words.next()? {
            "ready" => Some(Self::Ready),
            "ack" => {
                let client = words.next()?.parse().ok()?;
                let epoch = words.next()?.parse().ok()?;
                Some(Self::Ack(client, epoch_of(epoch)))
            }
            "error" => {
                let client = words.next()?.parse().ok()?;
                Some(Self::Failed(client, words.next()?.into()))
            }
            _ => None,
        }
    }
}

/// 0 stands for none.
pub fn epoch_of(number: u64) -> Option<Epoch> {
    (number != 0).then(|| Epoch::from_number(number))
}

/// Moves the expectations on by what a process said. Returns the kinds of the
/// errors that it met.
///
/// # Panics
///
/// If it said something that is not known.
pub fn hear(said: &str, clients: &mut [(Expected, Option<Epoch>)]) -> Vec<String> {
    let mut kinds = Vec::new();
    for line in said.split_inclusive('\n') {
        match Said::parse(line.trim_end()) {
            // The last line may be cut off.
            _ if !line.ends_with('\n') => {}
            Some(Said::Ready) => {}
            Some(Said::Ack(client, begun)) => {
                clients[client].0.advance();
                clients[client].1 = begun;
            }
            Some(Said::Failed(_, kind)) => kinds.push(kind),
            None => panic!("the process said {line:?}"),
        }
    }
    kinds
}
