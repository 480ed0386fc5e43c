//! Many tasks on the threads of a tokio runtime.

use std::sync::Arc;
use std::time::Instant;

use revocable_benches::measure::Run;
use revocable_benches::workload::Request;
use tokio::runtime::Runtime;

use crate::peer::Peer;

/// The calls divided among so many tasks, which the runtime's threads share.
///
/// Each task takes copies of its requests, as it would take them from the
/// network; that is timed, and the same for all.
pub(crate) fn on_runtime<'a, P: Peer, Answer>(
    runtime: &'a Runtime,
    tasks: usize,
    peer: &Arc<P>,
    answer: impl Fn(Arc<P>, Request) -> Answer + Clone + Send + 'static,
) -> Run<'a>
where
    Answer: Future<Output = bool> + Send,
{
    let peer = Arc::clone(peer);
    Box::new(move |requests, mut latencies| {
        let timed = latencies.is_some();
        let run = |requests: Vec<Request>| {
            let (peer, answer) = (Arc::clone(&peer), answer.clone());
            async move {
                let (mut right, mut own) = (0, Vec::new());
                for request in requests {
                    let start = timed.then(Instant::now);
                    right += usize::from(answer(Arc::clone(&peer), request).await);
                    own.extend(start.map(|start| start.elapsed().as_nanos() as u64));
                }
                (right, own)
            }
        };
        let tasks: Vec<_> = requests
            .chunks(requests.len().div_ceil(tasks))
            .map(|requests| runtime.spawn(run(requests.to_vec())))
            .collect();
        runtime.block_on(async {
            let mut all = 0;
            for task in tasks {
                let (right, own) = task.await.unwrap();
                all += right;
                if let Some(latencies) = latencies.as_deref_mut() {
                    latencies.extend(own);
                }
            }
            all
        })
    })
}
