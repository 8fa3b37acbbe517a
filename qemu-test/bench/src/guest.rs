// SPDX-License-Identifier: GPL-2.0

//! Measures in guests whose clock counts instructions, in two boots of one kernel.

use anyhow::{bail, Context, Result};
use serde::Deserialize;
use tackle_qemu::accel::Accel;
use tackle_qemu::boot::Booter;
use tackle_qemu::console::Watch;
use tackle_qemu::follow::{Listener, Mood};
use tackle_qemu::kernel::Kernel;
use tackle_qemu::qemu::Shape;
use tackle_qemu::session::Session;
use tackle_qemu::tail::Lines;
use tackle_qemu::ui::Ui;

use crate::course::Course;
use crate::origin::Origin;
use crate::record::{merge, records, Figure, Record, Skipped};
use crate::source::{Measured, Source};

/// A line of the guest's report.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Figure(Figure),
    Course(Course),
    /// A figure that was not measured.
    Skipped(Skipped),
    /// The last line of a complete report: the number of figures.
    End(usize),
    /// The last line after an error.
    Error(String),
}

/// The source of figures from guests of one kernel.
pub struct Guest<'a> {
    /// The session of the run.
    pub session: &'a Session,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The number of NUMA nodes. The only CPU is on the first node.
    pub nodes: u32,
}

impl Source for Guest<'_> {
    /// Boots twice, and uses the smaller values.
    fn measure(&self, suites: &[&str]) -> Result<Measured> {
        let accel = Accel::Icount;
        let origin = Origin::of_guest(self.kernel, accel)?;
        let booter = self.session.booter(accel, self.kernel, None)?;
        let boot = |what| -> Result<(Vec<Record>, Vec<Skipped>)> {
            let what = match self.nodes {
                1 => format!("boot {what}"),
                nodes => format!("{nodes} nodes boot {what}"),
            };
            let shape = Shape {
                nodes: self.nodes,
                ..booter.shape(self.kernel)
            };
            let heard = boot(self.session, &booter, shape, suites, &what)?;
            Ok((records(&heard.figures, &origin)?, heard.skipped))
        };
        let (first, skipped) = boot("1 of 2")?;
        let (second, _) = boot("2 of 2")?;
        let (records, drifts) = merge([first, second])?;
        Ok(Measured {
            records,
            drifts,
            skipped,
            ..Measured::default()
        })
    }
}

/// The report of a guest.
#[derive(Debug, Default)]
pub struct Heard {
    /// The figures.
    pub figures: Vec<Figure>,
    /// The figures that the guest could not measure.
    pub skipped: Vec<Skipped>,
    /// The courses of values over time.
    pub courses: Vec<Course>,
}

/// Boots a guest that measures. `what` is the name of the boot and of its folder.
///
/// # Errors
/// The errors are those of [`Booter::boot_shape`]. This also fails when the guest reported an
/// error, did not finish, or has a report of a crash or a warning in its kernel log.
pub fn boot(
    session: &Session,
    booter: &Booter<'_>,
    shape: Shape<'_>,
    suites: &[&str],
    what: &str,
) -> Result<Heard> {
    let dir = session.dir.subdir(what.replace(' ', "-"))?;
    let mut collect = Collect::new(&session.ui, what);
    session
        .ui
        .step(&format!("{what}: booting {}", shape.kernel.name));
    let words = format!("bench,{}", suites.join(","));
    let (end, stderr) = booter.boot_shape(shape, &words, &dir, &mut collect)?;
    session.ui.clear();
    let message = stderr.lines().last().map(|line| format!(" ({line})"));
    let fault = end
        .fault()
        .map(|fault| fault + &message.unwrap_or_default());
    collect.finish(fault).context("the guest")
}

/// A listener that collects the report of a guest.
struct Collect<'a> {
    ui: &'a Ui,
    what: &'a str,
    console: Watch,
    report: Lines,
    heard: Heard,
    end: Option<usize>,
    error: Option<String>,
}

impl<'a> Collect<'a> {
    fn new(ui: &'a Ui, what: &'a str) -> Self {
        Self {
            ui,
            what,
            console: Watch::new(),
            report: Lines::new(),
            heard: Heard::default(),
            end: None,
            error: None,
        }
    }

    fn report_line(&mut self, line: &str) -> Result<()> {
        let parsed = serde_json::from_str(line);
        match parsed.with_context(|| format!("the guest reports {line:?}"))? {
            Line::Figure(figure) => {
                // A subject that takes turns with others is reported in each round.
                let known = &self.heard.figures;
                if known.iter().all(|known| known.key != figure.key) {
                    self.ui.step(&format!("{}: {}", self.what, figure.key));
                }
                self.heard.figures.push(figure);
            }
            Line::Course(course) => self.heard.courses.push(course),
            Line::Skipped(skipped) => self.heard.skipped.push(skipped),
            Line::End(count) => self.end = Some(count),
            Line::Error(text) => self.error = Some(text),
        }
        Ok(())
    }

    fn finish(self, fault: Option<String>) -> Result<Heard> {
        self.console.finish(self.ui)?;
        if let Some(error) = self.error {
            bail!("{error}");
        }
        if let Some(fault) = fault {
            bail!("{fault}");
        }
        match self.end {
            Some(count) if count == self.heard.figures.len() => Ok(self.heard),
            Some(count) => bail!("{count} figures, {} came through", self.heard.figures.len()),
            None => bail!("ended before all was measured"),
        }
    }
}

impl Listener for Collect<'_> {
    fn heard(&mut self, console: &[u8], second: &[u8]) -> Result<()> {
        self.console.heard(console);
        for line in self.report.push(second) {
            self.report_line(&line)?;
        }
        Ok(())
    }

    fn mood(&self) -> Mood {
        self.console.mood()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURE: &[u8] = br#"{"figure":{"suite":"hooks","case":"bare","subject":"ftrace-ops","metric":"insn_per_call","value":8.0,"unit":"instructions"}}
"#;

    fn collect(console: &[u8], report: &[u8], fault: Option<&str>) -> Result<Heard> {
        let ui = Ui::new();
        let mut collect = Collect::new(&ui, "test");
        collect.heard(console, report)?;
        collect.finish(fault.map(str::to_owned))
    }

    fn error(console: &[u8], report: &[u8], fault: Option<&str>) -> String {
        collect(console, report, fault).unwrap_err().to_string()
    }

    #[test]
    fn figures_come_through() {
        let report = [FIGURE, b"{\"end\":1}\n"].concat();
        let figures = collect(b"", &report, None).unwrap().figures;
        assert_eq!(
            figures[0].key.to_string(),
            "hooks bare ftrace-ops insn_per_call"
        );
        assert_eq!(figures[0].value, 8.0);
    }

    #[test]
    fn what_was_skipped_comes_through_with_its_reason() {
        let line =
            br#"{"skipped":{"suite":"hooks","case":"nop","subject":"bpf-fentry","reason":"no BTF"}}
"#;
        let report = [line, FIGURE, b"{\"end\":1}\n"].concat();
        let heard = collect(b"", &report, None).unwrap();
        assert_eq!(heard.figures.len(), 1);
        assert_eq!(heard.skipped[0].to_string(), "hooks nop bpf-fentry: no BTF");
    }

    #[test]
    fn courses_come_through() {
        let line = br#"{"course":{"suite":"s","case":"c","subject":"x","points":[[0.1,50.0]]}}
"#;
        let report = [line, FIGURE, b"{\"end\":1}\n"].concat();
        let heard = collect(b"", &report, None).unwrap();
        assert_eq!(heard.courses[0].points, [[0.1, 50.0]]);
    }

    #[test]
    fn an_early_end_is_an_error() {
        assert!(error(b"", FIGURE, None).contains("before all"));
        let report = [FIGURE, b"{\"end\":2}\n"].concat();
        assert!(error(b"", &report, None).contains("2 figures, 1 came"));
        assert_eq!(error(b"", FIGURE, Some("hang")), "hang");
    }

    #[test]
    fn the_kernels_trouble_comes_before_the_guests_own() {
        let report = b"{\"error\":\"qdisc: no tc\"}\n";
        assert_eq!(error(b"", report, Some("hang")), "qdisc: no tc");
        let console = b"[    1.000000] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1\n";
        assert!(error(console, report, None).starts_with("kernel warning"));
    }

    #[test]
    fn what_is_no_report_is_shown() {
        assert!(error(b"", b"hello\n", None).contains("\"hello\""));
    }
}
