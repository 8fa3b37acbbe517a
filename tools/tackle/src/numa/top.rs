// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa top`: shows the faults of tasks and nodes between two readings.

use std::collections::BTreeSet;
use std::io::{stdout, IsTerminal, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use clap::Args;
use ratatui::crossterm::event::KeyCode;

use super::kernel::Kernel;
use super::order::Sort;
use super::process;
use super::rates::{lines, Line, Sample};
use super::source::{Level, Statistics};
use super::{cgroup::Cgroups, screen};
use crate::cli::interval;
use crate::roots::Roots;
use crate::terminal;

/// What to show.
#[derive(Args, Clone, Debug)]
pub struct Request {
    /// The column to sort by
    #[arg(long, value_enum, default_value = "faults")]
    sort: Sort,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    /// Only this task
    #[arg(long, value_name = "TID")]
    pid: Vec<u32>,
    /// Only the tasks of this process
    #[arg(long, value_name = "PID")]
    tgid: Vec<u32>,
    /// Only tasks with this in their name
    #[arg(long, value_name = "TEXT")]
    comm: Option<String>,
    /// Only the tasks of this cgroup and of those below it
    #[arg(long, value_name = "PATH")]
    cgroup: Option<String>,
    /// The time between two readings
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
    /// Print plain lines, as where stdout is no terminal
    #[arg(long)]
    batch: bool,
    /// End after so many intervals; implies --batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// At most so many tasks for each interval
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
}

/// Selects the tasks that are shown.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pids: BTreeSet<u64>,
    tgids: BTreeSet<u64>,
    comm: Option<String>,
    cgroups: Option<BTreeSet<u64>>,
}

impl Filter {
    fn shows(&self, line: &Line) -> bool {
        let is_in = |set: &BTreeSet<u64>, key| {
            set.is_empty()
                || line
                    .row
                    .number(key)
                    .is_some_and(|number| set.contains(&number))
        };
        let comm = line.row.text("comm").unwrap_or_default();
        is_in(&self.pids, "pid")
            && is_in(&self.tgids, "tgid")
            && self
                .comm
                .as_ref()
                .is_none_or(|part| comm.contains(part.as_str()))
            && self.cgroups.as_ref().is_none_or(|ids| {
                line.row
                    .number("cgroup")
                    .is_some_and(|id| ids.contains(&id))
            })
    }
}

/// The contents of the screen.
#[derive(Clone, Debug)]
pub struct View {
    /// The last reading.
    pub sample: Sample,
    /// The selected tasks, sorted.
    pub tasks: Vec<Line>,
    /// The nodes.
    pub nodes: Vec<Line>,
    /// The column by which tasks are sorted.
    pub sort: Sort,
    /// Whether the order is reversed.
    pub reverse: bool,
    /// Why there are fewer faults than a user may expect.
    pub warnings: Vec<String>,
}

impl View {
    fn order(&mut self) {
        self.sort.order(&mut self.tasks, self.reverse);
    }

    /// Changes the order: `<` and `>` select another column, `r` reverses it.
    pub fn key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char('<') | KeyCode::Left => self.sort = self.sort.step(-1),
            KeyCode::Char('>') | KeyCode::Right => self.sort = self.sort.step(1),
            KeyCode::Char('r' | 'R') => self.reverse = !self.reverse,
            _ => return,
        }
        self.order();
    }
}

/// Reads the statistics repeatedly.
#[derive(Debug)]
pub struct Top<'a> {
    roots: &'a Roots,
    statistics: Statistics,
    filter: Filter,
}

impl<'a> Top<'a> {
    /// Checks the tasks, processes and cgroups in `request`, and opens the statistics.
    ///
    /// # Errors
    /// Returns an error if the module is not loaded, or if a task, process or cgroup does not
    /// exist.
    pub fn open(roots: &'a Roots, request: &Request) -> Result<Self> {
        for pid in &request.pid {
            process::task(roots, *pid)?;
        }
        for tgid in &request.tgid {
            process::process(roots, *tgid)?;
        }
        let below = |path: &String| Cgroups::new(roots).below(path);
        let numbers = |all: &[u32]| all.iter().copied().map(u64::from).collect();
        let filter = Filter {
            pids: numbers(&request.pid),
            tgids: numbers(&request.tgid),
            comm: request.comm.clone(),
            cgroups: request.cgroup.as_ref().map(below).transpose()?,
        };
        Ok(Self {
            roots,
            statistics: Statistics::open(roots)?,
            filter,
        })
    }

    /// Reads the statistics for the first time. The view has no rates yet.
    ///
    /// # Errors
    /// Returns the errors of [`Statistics::rows`].
    pub fn first(&self, request: &Request) -> Result<View> {
        let empty = View {
            sample: Sample::default(),
            tasks: Vec::new(),
            nodes: Vec::new(),
            sort: request.sort,
            reverse: request.reverse,
            warnings: Vec::new(),
        };
        self.next(&empty)
    }

    /// Reads the statistics again.
    ///
    /// # Errors
    /// Returns the errors of [`Statistics::rows`].
    pub fn next(&self, last: &View) -> Result<View> {
        let sample = Sample {
            at: Some(Instant::now()),
            tasks: self.statistics.rows(Level::Task)?,
            nodes: self.statistics.rows(Level::Node)?,
        };
        let elapsed = sample.since(&last.sample);
        let mut tasks = lines(&sample.tasks, &last.sample.tasks, Level::Task, elapsed);
        tasks.retain(|line| self.filter.shows(line) && (elapsed.is_none() || line.is_active()));
        let mut view = View {
            nodes: lines(&sample.nodes, &last.sample.nodes, Level::Node, elapsed),
            sample,
            tasks,
            sort: last.sort,
            reverse: last.reverse,
            warnings: Kernel::read(self.roots)?.warnings(),
        };
        view.order();
        Ok(view)
    }
}

impl Request {
    /// Shows tasks and nodes until the user ends it, or until `--count` intervals have passed.
    ///
    /// # Errors
    /// Returns the errors of [`Top::open`] and [`Top::next`], and an error if the terminal cannot
    /// be used.
    pub fn run(&self, roots: &Roots) -> Result<()> {
        ensure!(self.rows != Some(0), "--rows 0 would show nothing");
        let top = Top::open(roots, self)?;
        if self.batch || self.count.is_some() || !stdout().is_terminal() {
            Kernel::read(roots)?.warn();
            return self.batch(&top, &mut stdout());
        }
        // The first reading comes first, so that its error is printed before the terminal is
        // switched to full screen.
        let first = top.first(self)?;
        terminal::show_with_keys(
            self.interval,
            first,
            screen::draw,
            |last| top.next(last),
            View::key,
        )
    }

    /// Writes a table for each interval, until `out` is closed or `--count` intervals have passed.
    ///
    /// # Errors
    /// Returns the errors of [`Top::next`].
    pub fn batch(&self, top: &Top<'_>, out: &mut impl Write) -> Result<()> {
        let mut last = top.first(self)?;
        let mut left = self.count;
        while left != Some(0) {
            sleep(self.interval);
            last = top.next(&last)?;
            let rows = self.rows.unwrap_or(usize::MAX).min(last.tasks.len());
            if writeln!(out, "{}\n", screen::plain(&last.tasks[..rows], &last.nodes)).is_err() {
                return Ok(());
            }
            left = left.map(|left| left - 1);
        }
        Ok(())
    }
}
