// SPDX-License-Identifier: GPL-2.0

//! Several guests at once: most of a guest's time under TCG is one busy CPU, or none
//! while the kernel waits for a grace period, and the host has others.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

use anyhow::Result;

use crate::report::TestResult;

/// More guests take more memory (2 GiB each) than they save time.
const MOST: usize = 2;

/// How many guests to run at once on this host.
pub fn workers() -> usize {
    available_parallelism().map_or(1, NonZero::get).min(MOST)
}

/// Does the jobs in this order, `workers` at a time. `tell` hears, in the calling thread,
/// what the jobs tell.
///
/// # Errors
/// The first error of a job; those that have not begun by then never do.
pub fn run<J: Send>(
    jobs: impl IntoIterator<Item = J>,
    workers: usize,
    work: impl Fn(J, &mut dyn FnMut(&TestResult)) -> Result<()> + Sync,
    tell: &mut dyn FnMut(&TestResult),
) -> Result<()> {
    let queue: Mutex<VecDeque<J>> = Mutex::new(jobs.into_iter().collect());
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let take = || lock().pop_front();
    let (told, results) = channel::<TestResult>();
    scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1))
            .map(|_| {
                let told = told.clone();
                scope.spawn(|| {
                    // Moved: the channel ends with the last worker.
                    let told = told;
                    while let Some(job) = take() {
                        // The receiver outlives the threads.
                        let mut tell = |result: &TestResult| {
                            let _ = told.send(result.clone());
                        };
                        work(job, &mut tell).inspect_err(|_| lock().clear())?;
                    }
                    Ok(())
                })
            })
            .collect();
        drop(told);
        results.iter().for_each(|result| tell(&result));
        let end = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        // All are waited for, whatever the first one says.
        let ends: Vec<_> = threads.into_iter().map(end).collect();
        ends.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    use anyhow::bail;

    use crate::report::Verdict;

    fn result(name: &str) -> TestResult {
        TestResult {
            suite: "s".into(),
            name: name.into(),
            place: "p".into(),
            verdict: Verdict::Passed,
            time: None,
            figures: Vec::new(),
        }
    }

    #[test]
    fn every_job_is_done_once_and_heard() {
        let mut heard = Vec::new();
        run(
            0..20,
            3,
            |job, tell| {
                tell(&result(&job.to_string()));
                Ok(())
            },
            &mut |result| heard.push(result.name.parse::<u32>().unwrap()),
        )
        .unwrap();
        heard.sort_unstable();
        assert_eq!(heard, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn jobs_run_side_by_side() {
        // Neither gets past it without the other.
        let both = Barrier::new(2);
        let work = |(), _: &mut dyn FnMut(&TestResult)| {
            both.wait();
            Ok(())
        };
        run([(), ()], 2, work, &mut |_| {}).unwrap();
    }

    #[test]
    fn an_error_ends_it() {
        let mut heard = Vec::new();
        let error = run(
            ["good", "bad", "never"],
            1,
            |job, tell| {
                if job == "bad" {
                    bail!("it was {job}");
                }
                tell(&result(job));
                Ok(())
            },
            &mut |result| heard.push(result.name.clone()),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "it was bad");
        assert_eq!(heard, ["good"]);
    }
}
