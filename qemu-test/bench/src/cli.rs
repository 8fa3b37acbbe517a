// SPDX-License-Identifier: GPL-2.0

//! Implements the command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use tackle_qemu::interrupt::{Interrupt, Interrupted};
use tackle_qemu::kernel::Kernel;
use tackle_qemu::rundir::RunDir;
use tackle_qemu::session::{Session, Wishes};
use tackle_qemu::ui::{print_line, Ui};

use crate::compare::{changes, LIMIT};
use crate::origin::commit;
use crate::record::Record;
use crate::report;
use crate::source::{measure, Measured};
use crate::store::{write, write_text, Store};
use crate::subject::{suite, Suite, SUITES};

/// Measures in a guest whose clock counts instructions, on the host and under User Mode
/// Linux in real time, and slow links under User Mode Linux in theirs. Simulates machines with many
/// NUMA nodes.
///
/// TACKLE_SILENCE and TACKLE_LIMIT set the seconds that a guest may be silent (120; User
/// Mode Linux in real time 30) and may take in all (900).
#[derive(Debug, Parser)]
#[command(name = "tackle-bench", version, about, max_term_width = 100)]
pub struct Cli {
    /// The kernel and the directory with its files
    #[arg(long, value_name = "NAME=DIR")]
    kernel: Kernel,
    /// The same of User Mode Linux, which the suites qdisc-time, links and links-all
    /// are measured on
    #[arg(long, value_name = "NAME=DIR")]
    uml: Option<Kernel>,
    /// The build directory; results go to DIR/bench, logs to DIR/qemu
    #[arg(long, value_name = "DIR")]
    build: PathBuf,
    /// The cache folder; the results of each commit are kept in DIR/bench
    #[arg(long, value_name = "DIR", env = "TACKLE_CACHE")]
    cache: PathBuf,
    /// A suite to run instead of all: hooks, qdisc, livepatch, numa, numa-placement, fault,
    /// qdisc-time, links, links-all, core or numa-sim; repeat for several
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<String>,
    /// How often the policies of numa-placement take turns, 5 if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Say what has changed by more than 1 % since this commit
    #[arg(long, value_name = "COMMIT")]
    compare: Option<String>,
    /// Leave logs even when all went well
    #[arg(long)]
    keep: bool,
}

impl Cli {
    /// Measures, and writes and compares the results. Returns whether the figures of two boots
    /// agree, for suites that boot twice.
    ///
    /// # Errors
    /// Fails when an argument is wrong, when the host or the guest cannot measure, and with
    /// [`Interrupted`](tackle_qemu::interrupt::Interrupted) when the user interrupts.
    pub fn run(self) -> Result<bool> {
        let suites = select(&self.suites)?;
        self.kernel.check()?;
        self.uml.iter().try_for_each(Kernel::check)?;
        let store = Store::new(&self.cache);
        // Load the old results first, to report an error before the measurements, which take
        // minutes.
        let old = match &self.compare {
            Some(name) => Some((name, store.load(&commit(name)?)?)),
            None => None,
        };
        let session = Session {
            interrupt: Interrupt::on_signals()?,
            ui: Ui::new(),
            dir: RunDir::create(&self.build)?,
            wishes: Wishes::from_env()?,
            // All guests boot, so that figures do not depend on earlier guests.
            templates: None,
        };
        let outcome = measure(
            &session,
            &self.kernel,
            self.uml.as_ref(),
            &suites,
            self.rounds,
        );
        session.ui.clear();
        let kept = match &outcome {
            Ok(measured) => self.keep || !measured.drifts.is_empty(),
            Err(error) => !error.is::<Interrupted>(),
        };
        if kept {
            print_line(&format!("logs: {}", session.dir.keep().display()));
        }
        let measured = outcome?;
        self.write(&store, &measured)?;
        if let Some((name, old)) = old {
            compare(name, &old, &measured.records);
        }
        for drift in &measured.drifts {
            eprintln!("drifted: {drift}");
        }
        Ok(measured.drifts.is_empty())
    }

    fn write(&self, store: &Store, measured: &Measured) -> Result<()> {
        let folder = self.build.join("bench");
        let (json, page) = (folder.join("bench.json"), folder.join("report.html"));
        let records = &measured.records;
        write(&json, records)?;
        write_text(&page, &report::page(measured)?)?;
        print_line(report::table(records).trim_end());
        for skipped in &measured.skipped {
            print_line(&format!("skipped: {skipped}"));
        }
        print_line(&format!("\n{}\n{}", json.display(), page.display()));
        match records.first().map(|record| record.origin.clean_commit()) {
            Some(Some(commit)) if measured.drifts.is_empty() => store.save(commit, records),
            Some(None) => {
                print_line("not kept for later: the checkout has changes that are not committed");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the suites with these names, or all suites, in their order.
fn select(names: &[String]) -> Result<Vec<&'static Suite>> {
    for name in names {
        suite(name)?;
    }
    let wanted = |suite: &&Suite| match names {
        [] => !suite.by_name_only,
        names => names.iter().any(|name| name == suite.name),
    };
    Ok(SUITES.iter().filter(wanted).collect())
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
        let names = |words: &[String]| -> Vec<_> {
            let suites = select(words).unwrap();
            suites.iter().map(|suite| suite.name).collect()
        };
        assert_eq!(
            names(&[]),
            [
                "hooks",
                "qdisc",
                "livepatch",
                "numa",
                "fault",
                "qdisc-time",
                "links",
                "core",
                "numa-sim"
            ]
        );
        assert_eq!(names(&["core".into(), "qdisc".into()]), ["qdisc", "core"]);
        assert!(select(&["nets".into()]).is_err());
    }
}
