// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use anyhow::{bail, Result};
use clap::Parser;
use tackle_qemu::boot::Booter;
use tackle_qemu::interrupt::{Interrupt, Interrupted};
use tackle_qemu::kernel::Kernel;
use tackle_qemu::qemu::{Accel, PROGRAM};
use tackle_qemu::rundir::RunDir;
use tackle_qemu::session::{Session, Wishes};
use tackle_qemu::ui::{print_line, Ui};

use crate::compare::{changes, LIMIT};
use crate::guest::measure;
use crate::origin::{commit, Origin};
use crate::record::{merge, records, Drift, Record};
use crate::report;
use crate::store::{write, write_text, Store};
use crate::subject::SUITES;

/// Measures in a guest whose clock counts instructions.
///
/// TACKLE_SILENCE and TACKLE_LIMIT set the seconds that a guest may be silent (120) and
/// may take in all (900).
#[derive(Debug, Parser)]
#[command(name = "tackle-bench", version, about, max_term_width = 100)]
pub struct Cli {
    /// The kernel and the directory with its files
    #[arg(long, value_name = "NAME=DIR")]
    kernel: Kernel,
    /// The build directory; results go to DIR/bench, logs to DIR/qemu
    #[arg(long, value_name = "DIR")]
    build: PathBuf,
    /// The cache folder; the results of each commit are kept in DIR/bench
    #[arg(long, value_name = "DIR", env = "TACKLE_CACHE")]
    cache: PathBuf,
    /// A suite to run instead of all: hooks or qdisc; repeat for several
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<String>,
    /// Say what has changed by more than 1 % since this commit
    #[arg(long, value_name = "COMMIT")]
    compare: Option<String>,
    /// Leave logs even when all went well
    #[arg(long)]
    keep: bool,
}

impl Cli {
    /// Measures, and writes and compares the results. Returns whether the figures of the
    /// two boots agree.
    ///
    /// # Errors
    /// What the user got wrong, what the host or the guest could not do, and
    /// [`Interrupted`](tackle_qemu::interrupt::Interrupted).
    pub fn run(self) -> Result<bool> {
        let suites = select(&self.suites)?;
        self.kernel.check()?;
        let store = Store::new(&self.cache);
        // What cannot be compared is to be known before minutes have passed.
        let old = match &self.compare {
            Some(name) => Some((name, store.load(&commit(name)?)?)),
            None => None,
        };
        let origin = Origin::here(&self.kernel, Accel::Icount)?;
        let session = Session {
            interrupt: Interrupt::on_signals()?,
            ui: Ui::new(),
            dir: RunDir::create(&self.build)?,
            wishes: Wishes::from_env()?,
        };
        let outcome = boots(&session, &self.kernel, &suites, &origin).and_then(merge);
        session.ui.clear();
        let kept = match &outcome {
            Ok((_, drifts)) => self.keep || !drifts.is_empty(),
            Err(error) => !error.is::<Interrupted>(),
        };
        if kept {
            print_line(&format!("logs: {}", session.dir.keep().display()));
        }
        let (records, drifts) = outcome?;
        self.write(&store, &origin, &records, &drifts)?;
        if let Some((name, old)) = old {
            compare(name, &old, &records);
        }
        for drift in &drifts {
            eprintln!("drifted: {drift}");
        }
        Ok(drifts.is_empty())
    }

    fn write(
        &self,
        store: &Store,
        origin: &Origin,
        records: &[Record],
        drifts: &[Drift],
    ) -> Result<()> {
        let folder = self.build.join("bench");
        let (json, page) = (folder.join("bench.json"), folder.join("report.html"));
        write(&json, records)?;
        write_text(&page, &report::page(records, drifts, origin)?)?;
        print_line(report::table(records).trim_end());
        print_line(&format!("\n{}\n{}", json.display(), page.display()));
        match origin.clean_commit() {
            Some(commit) if drifts.is_empty() => store.save(commit, records),
            Some(_) => Ok(()),
            None => {
                print_line("not kept for later: the checkout has changes that are not committed");
                Ok(())
            }
        }
    }
}

fn select(names: &[String]) -> Result<Vec<&'static str>> {
    let all: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
    if let Some(unknown) = names.iter().find(|name| !all.contains(&name.as_str())) {
        bail!("no suite {unknown:?}; there are {}", all.join(", "));
    }
    let wanted = |suite: &&str| names.is_empty() || names.iter().any(|name| name == suite);
    Ok(all.into_iter().filter(wanted).collect())
}

fn boots(
    session: &Session,
    kernel: &Kernel,
    suites: &[&str],
    origin: &Origin,
) -> Result<[Vec<Record>; 2]> {
    let accel = Accel::Icount;
    let booter = Booter {
        qemu: PROGRAM.into(),
        accel,
        limits: session.wishes.limits(accel, kernel, None)?,
        rounds: None,
        interrupt: &session.interrupt,
    };
    let boot = |what: &str| {
        let figures = measure(session, &booter, kernel, suites, what)?;
        records(&figures, origin)
    };
    Ok([boot("boot 1 of 2")?, boot("boot 2 of 2")?])
}

fn compare(name: &str, old: &[Record], new: &[Record]) {
    let changes = changes(old, new);
    let percent = LIMIT * 100.0;
    if changes.is_empty() {
        print_line(&format!(
            "nothing has changed by more than {percent} % since {name}"
        ));
        return;
    }
    print_line(&format!("changed by more than {percent} % since {name}:"));
    for change in changes {
        print_line(&format!("  {change}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn suites_are_chosen_by_name() {
        assert_eq!(select(&[]).unwrap(), ["hooks", "qdisc"]);
        assert_eq!(select(&["qdisc".into()]).unwrap(), ["qdisc"]);
        let error = select(&["nets".into()]).unwrap_err().to_string();
        assert_eq!(error, "no suite \"nets\"; there are hooks, qdisc");
    }
}
