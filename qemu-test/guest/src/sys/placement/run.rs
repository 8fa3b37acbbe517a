// SPDX-License-Identifier: GPL-2.0

//! Runs a workload under a policy. Measures the local share over time, by the plug-in's counts and
//! by samples, and the numbers of scans and of migrated pages.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use tackle_arena::Counts;

use super::cases::{Case, Machine};
use super::policy::{quiet, Policy};
use super::worker::Sampled;
use crate::sys::cmd::Kept;
use crate::sys::counts::Counter;
use crate::sys::numa::{Sched, Stat};

/// The time between two marks.
const INTERVAL: Duration = Duration::from_millis(100);

/// The last quarter of a run determines the final local share.
const LAST: usize = 4;

/// The part of the final local share that has to be reached to take the time.
const REACHED: f64 = 0.9;

/// The state of a run at a mark.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Seconds since the start.
    pub seconds: f64,
    /// The local share of the accesses since the previous mark, from 0 to 1.
    pub share: f64,
    /// The largest number of scan windows of a process so far.
    pub scans: u64,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The state at each mark.
    pub points: Vec<Point>,
    /// The counts of the whole run.
    pub counts: Counts,
    /// The samples of the workload in the whole run.
    pub sampled: Sampled,
    /// Pages that hinting faults migrated.
    pub pages_moved: u64,
}

impl Outcome {
    /// Returns the local share of the last quarter of the run.
    pub fn final_share(&self) -> f64 {
        mean(&self.points[self.points.len() - self.points.len() / LAST..])
    }

    /// Returns the local share of the first interval.
    pub fn first_share(&self) -> f64 {
        mean(&self.points[..1])
    }

    /// Returns the local share of the whole run, by the plug-in's counts.
    pub fn share(&self) -> f64 {
        self.counts.local_share().unwrap_or_default()
    }

    /// Returns the local share of the whole run, by the workload's samples.
    pub fn sampled_share(&self) -> f64 {
        self.sampled.local as f64 / self.sampled.samples.max(1) as f64
    }

    /// Returns the first point at which the local share was at least nine tenths of the final one.
    pub fn reached(&self) -> Point {
        let wanted = REACHED * self.final_share();
        let mut points = self.points.iter();
        // There is such a point, because not all points of the last quarter can be below their
        // mean.
        let found = points.find(|point| point.share >= wanted);
        *found.unwrap_or(&self.points[self.points.len() - 1])
    }
}

fn mean(points: &[Point]) -> f64 {
    points.iter().map(|point| point.share).sum::<f64>() / points.len().max(1) as f64
}

/// Runs a workload under a policy, for this long.
///
/// # Errors
///
/// The policy cannot be applied, a process ends, or the plug-in has counted nothing.
pub fn run(
    counter: &mut Counter,
    machine: Machine,
    case: &Case,
    policy: Policy,
    time: Duration,
) -> Result<Outcome> {
    let outcome = follow(counter, machine, case, policy, time);
    outcome.with_context(|| format!("{} under {}", case.name, policy.name()))
}

fn follow(
    counter: &mut Counter,
    machine: Machine,
    case: &Case,
    policy: Policy,
    time: Duration,
) -> Result<Outcome> {
    let (_quiet, _reserved) = (quiet()?, case.reserve()?);
    let lines = case.command_lines(machine, policy == Policy::Pinned);
    let processes = lines.iter().map(|line| Process::start(line));
    let mut processes = processes.collect::<Result<Vec<_>>>()?;
    let applied = policy.apply()?;
    let stat = Stat::system()?;
    let first = counter.take()?;
    processes.iter_mut().try_for_each(Process::go_on)?;
    let start = Instant::now();
    let (mut points, mut before) = (Vec::new(), first.clone());
    while start.elapsed() < time {
        sleep(INTERVAL);
        let counts = counter.take()?;
        let seconds = start.elapsed().as_secs_f64();
        let mut scans = 0;
        for process in &processes {
            scans = scans.max(Sched::of(process.child.0.id())?.scans);
        }
        if let Some(share) = counts.since(&before).local_share() {
            points.push(Point {
                seconds,
                share,
                scans,
            });
        }
        before = counts;
    }
    processes.iter_mut().try_for_each(Process::go_on)?;
    let sampled = processes.iter_mut().map(Process::finish);
    let sampled = sampled.collect::<Result<Vec<_>>>()?;
    let counts = counter.take()?.since(&first);
    let pages_moved = Stat::system()?.since(stat).pages_migrated;
    applied.end()?;
    ensure!(
        points.len() >= LAST,
        "{} intervals with accesses, {LAST} are needed",
        points.len()
    );
    Ok(Outcome {
        points,
        counts,
        sampled: sampled.into_iter().fold(Sampled::default(), Sampled::plus),
        pages_moved,
    })
}

/// A process of the workload, for its parent. It is killed when this is dropped.
struct Process {
    child: Kept,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the process, and waits until its memory is in place.
    fn start(args: &str) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        // With uid() the standard library uses fork(). With posix_spawn() the process would inherit
        // the preferred node of this one.
        let mut child = Command::new(program)
            .uid(0)
            .arg("numa-placement")
            .args(args.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a process of the workload")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut this = Self {
            child: Kept(child),
            input: input.context("no input")?,
            output: BufReader::new(output.context("no output")?),
        };
        let line = this.read()?;
        if line != "ready" {
            bail!("a process of the workload ({args}) said {line:?}");
        }
        Ok(this)
    }

    /// Lets the process start its work, or end.
    fn go_on(&mut self) -> Result<()> {
        writeln!(self.input).context("a process of the workload has ended")
    }

    /// Waits for the samples of the process, and returns them.
    fn finish(&mut self) -> Result<Sampled> {
        let line = self.read()?;
        serde_json::from_str(&line).with_context(|| format!("{line:?} has no samples"))
    }

    fn read(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(shares: &[f64]) -> Outcome {
        let points = shares.iter().enumerate().map(|(index, share)| Point {
            seconds: index as f64,
            share: *share,
            scans: 10 * index as u64,
        });
        Outcome {
            points: points.collect(),
            counts: Counts::default(),
            sampled: Sampled {
                samples: 4,
                local: 1,
                moves: 0,
            },
            pages_moved: 0,
        }
    }

    #[test]
    fn the_final_share_is_that_of_the_last_quarter() {
        let outcome = outcome(&[0.0, 0.2, 0.4, 0.7, 0.75, 0.8, 0.8, 0.6]);
        assert!((outcome.final_share() - 0.7).abs() < 1e-9);
        assert_eq!(outcome.first_share(), 0.0);
        assert_eq!(outcome.reached().scans, 30);
        assert_eq!(outcome.sampled_share(), 0.25);
    }

    #[test]
    fn what_is_reached_at_once_takes_one_interval() {
        let outcome = outcome(&[1.0; 8]);
        assert_eq!(outcome.reached().seconds, 0.0);
    }
}
