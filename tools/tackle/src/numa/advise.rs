// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa advise`: prints the decisions of the policy of `numa_balance`, with
//! their reasons.

use anyhow::{bail, Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::interface::{BALANCE, PLAN};
use super::row::unescape;
use crate::files;
use crate::roots::Roots;
use crate::table::{json, say, table};

/// Which decisions to print.
#[derive(Args, Clone, Debug)]
pub struct Request {
    /// Also the tasks that stay where they are
    #[arg(long)]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A decision of the policy about a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The thread ID.
    pub pid: u32,
    /// The process ID.
    pub tgid: u32,
    /// The name of the task.
    pub comm: String,
    /// The node on which the task runs.
    pub node: u32,
    /// The task's preferred node.
    pub preferred: Option<u32>,
    /// The name of the action.
    pub action: String,
    /// The node on which the task should run.
    pub target: Option<u32>,
    /// The thread ID of the task with which it should change places.
    pub with: Option<u32>,
    /// The name of the reason.
    pub reason: String,
    /// The reason as a sentence.
    pub why: String,
}

impl Advice {
    /// Parses a line of the file `plan`.
    ///
    /// # Errors
    /// Returns an error if the line is not `KEY=VALUE ... why=SENTENCE`.
    pub fn parse(line: &str) -> Result<Self> {
        let Some((words, why)) = line.split_once(" why=") else {
            bail!("numa_balance: a line without a reason: {line}");
        };
        let mut advice = Self {
            why: why.to_owned(),
            ..Self::default()
        };
        for word in words.split(' ') {
            let number = |value: &str| {
                let number = value.parse::<u32>();
                number.with_context(|| format!("numa_balance: no number: {word}"))
            };
            match word.split_once('=') {
                Some(("pid", value)) => advice.pid = number(value)?,
                Some(("tgid", value)) => advice.tgid = number(value)?,
                Some(("comm", value)) => advice.comm = unescape(value),
                Some(("node", value)) => advice.node = number(value)?,
                Some(("preferred", value)) => advice.preferred = Some(number(value)?),
                Some(("action", value)) => advice.action = value.to_owned(),
                Some(("target", value)) => advice.target = Some(number(value)?),
                Some(("with", value)) => advice.with = Some(number(value)?),
                Some(("reason", value)) => advice.reason = value.to_owned(),
                // A later version of the module may have more keys.
                Some(_) => {}
                None => bail!("numa_balance: not KEY=VALUE: {word}"),
            }
        }
        Ok(advice)
    }

    /// Returns whether the decision changes the task's node or its preferred node.
    fn is_change(&self) -> bool {
        self.target
            .is_some_and(|target| Some(target) != self.preferred || target != self.node)
    }

    fn cells(&self) -> [String; 6] {
        let action = match (self.target, self.with) {
            (Some(target), Some(with)) => format!("{} {target}, with {with}", self.action),
            (Some(target), None) => format!("{} {target}", self.action),
            (None, _) => self.action.clone(),
        };
        let preferred = self.preferred.map_or("-".into(), |node| node.to_string());
        [
            self.pid.to_string(),
            self.comm.clone(),
            self.node.to_string(),
            preferred,
            action,
            self.why.clone(),
        ]
    }
}

/// Returns the advice as a table.
pub fn text(advice: &[Advice]) -> String {
    let heading = ["PID", "COMMAND", "NODE", "PREFERRED", "ACTION", "WHY"];
    table(heading, &[0, 2, 3], advice.iter().map(Advice::cells))
}

impl Request {
    /// Returns the requested decisions.
    ///
    /// # Errors
    /// Returns an error if the module is not loaded, or if a line of its file is not valid.
    pub fn advice(&self, roots: &Roots) -> Result<Vec<Advice>> {
        let folder = BALANCE.open(roots)?;
        let plan = files::read(&folder.join(PLAN))?.unwrap_or_default();
        let all: Result<Vec<_>> = plan.lines().map(Advice::parse).collect();
        let mut all = all?;
        all.retain(|advice| self.all || advice.is_change());
        Ok(all)
    }

    /// Prints the requested decisions.
    ///
    /// # Errors
    /// Returns the errors of [`Request::advice`].
    pub fn run(&self, roots: &Roots) -> Result<()> {
        let advice = self.advice(roots)?;
        if self.json {
            return json(&advice);
        }
        if advice.is_empty() {
            say("no task is to move (--all prints why)");
        } else {
            say(&text(&advice));
        }
        Ok(())
    }
}
