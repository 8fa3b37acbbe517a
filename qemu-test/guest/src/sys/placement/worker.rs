// SPDX-License-Identifier: GPL-2.0

//! Implements a process of a workload, whose threads load from and store to an arena. The program
//! starts itself as this process.
//!
//! The process places its memory on the given nodes, prints `ready`, and waits for a line. Then its
//! threads use the memory until the next line comes. In the end the process prints what the threads
//! have [`Sampled`].

use std::io::stdin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tackle_arena::arena;
use tackle_pages::{node_of_cpu, Pages, Size, PAGE};

use crate::sys::worker::{pin, unpin};
use crate::sys::{debugfs, numa};

/// The number of words of a page.
const WORDS: usize = PAGE / 8;

/// One word of this number of words is loaded and stored, so each visit of a page makes 64
/// accesses. The hinting faults are then a small part of all accesses.
const STEP: usize = 16;

/// A thread takes a sample after this number of visits of pages. The number has no divisor in
/// common with the sizes of memory, so that all pages are sampled.
const SAMPLE: u64 = 257;

/// What the process does.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of the arena
    #[arg(long)]
    arena: usize,
    /// Memory, in MiB
    #[arg(long)]
    mib: usize,
    /// Parts that the memory consists of
    #[arg(long, default_value_t = 1)]
    parts: usize,
    /// Nodes that get the parts, in turn
    #[arg(long, value_delimiter = ',', required = true)]
    memory: Vec<usize>,
    /// Threads; each has the part of its number, in turn
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Nodes that the threads start on, in turn
    #[arg(long, value_delimiter = ',', required = true)]
    run: Vec<usize>,
    /// Each thread uses all parts
    #[arg(long)]
    shared: bool,
    /// The threads stay on the nodes that they start on
    #[arg(long)]
    pin: bool,
    /// The memory is bound to the first of its nodes
    #[arg(long)]
    bind: bool,
    /// The memory has huge pages of hugetlbfs
    #[arg(long)]
    huge: bool,
    /// After so many milliseconds a thread goes on with the next part
    #[arg(long)]
    phase_ms: Option<u64>,
    /// After so many milliseconds a thread ends, and another one takes its place
    #[arg(long)]
    life_ms: Option<u64>,
}

/// The samples of the threads of a process, which are a second measure of the local share.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sampled {
    /// The number of samples.
    pub samples: u64,
    /// The number of samples with the page on the node of the CPU.
    pub local: u64,
    /// How often a thread was moved to another CPU.
    pub moves: u64,
}

impl Sampled {
    /// Returns the sums of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            local: self.local + other.local,
            moves: self.moves + other.moves,
        }
    }
}

/// Runs as the process of a workload.
///
/// # Errors
///
/// The memory cannot be mapped, or a node does not exist.
pub fn work(args: &Args) -> Result<()> {
    let address = arena(args.arena).context("there is no such arena")?;
    let size = if args.huge { Size::Huge } else { Size::Small };
    let pages = Pages::map(address as usize, args.mib << 20, size);
    let pages = pages.with_context(|| format!("cannot map {} MiB of {size:?} pages", args.mib))?;
    if args.bind {
        let node = args.memory[0];
        let bound = pages.bind(node);
        bound.with_context(|| format!("cannot bind memory to node {node}"))?;
    }
    let memory = Memory {
        pages: &pages,
        args,
    };
    place(&memory)?;
    println!("ready");
    let mut lines = stdin().lines();
    lines.next().transpose()?;
    let stop = AtomicBool::new(false);
    let sampled = thread::scope(|scope| -> Result<Sampled> {
        let (memory, stop) = (&memory, &stop);
        let start = |number| scope.spawn(move || seat(memory, number, stop));
        let threads: Vec<_> = (0..args.threads).map(start).collect();
        let line = lines.next().transpose();
        stop.store(true, Ordering::Relaxed);
        line?;
        threads
            .into_iter()
            .try_fold(Sampled::default(), |sum, thread| {
                let sampled = thread.join().ok().context("a thread panicked")??;
                Ok(sum.plus(sampled))
            })
    })?;
    println!("{}", serde_json::to_string(&sampled)?);
    Ok(())
}

/// The memory of the process, and the arguments that define its use.
struct Memory<'a> {
    pages: &'a Pages,
    args: &'a Args,
}

impl Memory<'_> {
    /// Returns the words of a part. The number is taken modulo the number of parts.
    fn part(&self, number: usize) -> std::ops::Range<usize> {
        let parts = self.args.parts.max(1);
        let words = self.pages.words().len() / parts / WORDS * WORDS;
        let number = number % parts;
        number * words..(number + 1) * words
    }
}

/// Places each part by touching it first on its node.
fn place(memory: &Memory<'_>) -> Result<()> {
    let nodes = memory.args.memory.iter().cycle();
    for (number, node) in (0..memory.args.parts).zip(nodes) {
        let words = &memory.pages.words()[memory.part(number)];
        let touch = || -> Result<()> {
            pin(*node)?;
            for word in words.iter().step_by(WORDS) {
                word.store(1, Ordering::Relaxed);
            }
            Ok(())
        };
        // Use another thread, so that this thread remains where it was started.
        thread::scope(|scope| scope.spawn(touch).join())
            .ok()
            .context("a thread panicked")??;
    }
    Ok(())
}

/// Runs the threads that follow each other in one place. There is only one, unless threads have a
/// short life.
fn seat(memory: &Memory<'_>, number: usize, stop: &AtomicBool) -> Result<Sampled> {
    let mut sum = Sampled::default();
    let mut is_first = true;
    while !stop.load(Ordering::Relaxed) {
        let life = || live(memory, number, is_first, stop);
        let lived = match memory.args.life_ms {
            None => life(),
            Some(_) => thread::scope(|scope| scope.spawn(life).join())
                .ok()
                .context("a thread panicked")?,
        };
        sum = sum.plus(lived?);
        is_first = false;
    }
    Ok(sum)
}

/// Runs as a thread. The first thread in a place starts on the requested node. Later threads start
/// where the kernel puts them.
fn live(memory: &Memory<'_>, number: usize, is_first: bool, stop: &AtomicBool) -> Result<Sampled> {
    let args = memory.args;
    if is_first || args.pin {
        pin(args.run[number % args.run.len()])?;
    }
    if is_first && !args.pin {
        unpin()?;
    }
    let mut sampler = Sampler::new(memory.pages)?;
    let start = Instant::now();
    let phase = args.phase_ms.map(Duration::from_millis);
    let life = args.life_ms.map(Duration::from_millis);
    while !stop.load(Ordering::Relaxed) && life.is_none_or(|life| start.elapsed() < life) {
        let turn = phase.map_or(0, |phase| start.elapsed().div_duration_f64(phase) as usize);
        let range = match args.shared {
            true => 0..memory.pages.words().len(),
            false => memory.part(number + turn),
        };
        let first = range.start;
        for (index, page) in memory.pages.words()[range].chunks_exact(WORDS).enumerate() {
            use_page(page);
            sampler.visited(first + index * WORDS)?;
            // A pass over all memory may take long, so check the flag within the pass.
            if index % 256 == 0 && stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    sampler.finish()
}

#[inline(never)]
fn use_page(page: &[AtomicU64]) {
    for word in page.iter().step_by(STEP) {
        let value = word.load(Ordering::Relaxed);
        word.store(value.wrapping_add(1), Ordering::Relaxed);
    }
}

struct Sampler<'a> {
    pages: &'a Pages,
    visits: u64,
    moves_before: u64,
    sampled: Sampled,
}

impl<'a> Sampler<'a> {
    fn new(pages: &'a Pages) -> Result<Self> {
        Ok(Self {
            pages,
            visits: 0,
            moves_before: moves()?,
            sampled: Sampled::default(),
        })
    }

    /// Takes a sample from time to time, after a visit of the page with this word.
    #[inline]
    fn visited(&mut self, word: usize) -> Result<()> {
        self.visits += 1;
        if self.visits % SAMPLE != 0 {
            return Ok(());
        }
        let cpu = node_of_cpu().context("getcpu")?;
        if let Some(memory) = self.pages.node_of(word).context("move_pages")? {
            self.sampled.samples += 1;
            self.sampled.local += u64::from(memory == cpu);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Sampled> {
        self.sampled.moves = moves()? - self.moves_before;
        Ok(self.sampled)
    }
}

/// Returns how often this thread was moved to another CPU.
fn moves() -> Result<u64> {
    let text = debugfs::read("/proc/thread-self/sched")?;
    numa::sched_value(&text, "se.nr_migrations")
}
