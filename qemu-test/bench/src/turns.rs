// SPDX-License-Identifier: GPL-2.0

//! Measures in guests in which subjects take turns: under User Mode Linux, in real time or with a
//! clock that only counts waiting, and in guests where other activity is part of what is measured.

use anyhow::Result;
use tackle_qemu::accel::Accel;
use tackle_qemu::kernel::Kernel;
use tackle_qemu::session::Session;

use crate::guest::boot;
use crate::origin::Origin;
use crate::record::{Figure, Key};
use crate::rounds::{records, Series, MIN_ROUNDS};
use crate::source::{Measured, Source};

/// The source of figures from one guest.
pub struct Turns<'a> {
    /// The session of the run.
    pub session: &'a Session,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// What executes the guest.
    pub accel: Accel,
}

impl Source for Turns<'_> {
    fn measure(&self, suites: &[&str]) -> Result<Measured> {
        let booter = self.session.booter(self.accel, self.kernel, None)?;
        let (origin, what) = match self.accel {
            Accel::Uml => (Origin::of_host(self.kernel)?, "uml"),
            Accel::TimeTravel => (Origin::of_no_time(self.kernel)?, "uml time-travel"),
            accel => (Origin::of_guest(self.kernel, accel)?, "turns"),
        };
        let shape = booter.shape(self.kernel);
        let heard = boot(self.session, &booter, shape, suites, what)?;
        let mut measured = Measured {
            skipped: heard.skipped,
            ..Measured::default()
        };
        for (key, unit, all) in cases(&heard.figures) {
            measured
                .records
                .extend(records(&key, &unit, &all, MIN_ROUNDS, &origin)?);
        }
        Ok(measured)
    }
}

/// Returns the figures of each case, with a series for each subject. The subject of the case's key
/// is empty.
pub(crate) fn cases(figures: &[Figure]) -> Vec<(Key, String, Vec<Series>)> {
    let mut cases: Vec<(Key, String, Vec<Series>)> = Vec::new();
    for figure in figures {
        let key = Key {
            subject: String::new(),
            ..figure.key.clone()
        };
        let place = cases.iter().position(|(known, ..)| *known == key);
        let place = place.unwrap_or_else(|| {
            cases.push((key, figure.unit.clone(), Vec::new()));
            cases.len() - 1
        });
        let all = &mut cases[place].2;
        let subject = &figure.key.subject;
        match all.iter_mut().find(|series| series.subject == *subject) {
            Some(series) => series.values.push(figure.value),
            None => all.push(Series {
                subject: subject.clone(),
                values: vec![figure.value],
            }),
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_case_become_series() {
        let figure = |case: &str, subject: &str, value| Figure {
            key: Key {
                suite: "qdisc-time".into(),
                case: case.into(),
                subject: subject.into(),
                metric: "ns_per_packet".into(),
            },
            value,
            unit: "ns".into(),
        };
        let figures = [
            figure("root", "codel", 1.0),
            figure("root", "rcodel", 2.0),
            figure("root", "rcodel", 3.0),
            figure("root", "codel", 4.0),
            figure("bare", "noqueue", 5.0),
        ];
        let cases = cases(&figures);
        let names: Vec<_> = cases.iter().map(|(key, ..)| key.case.as_str()).collect();
        assert_eq!(names, ["root", "bare"]);
        let root = &cases[0].2;
        assert_eq!(root[0].subject, "codel");
        assert_eq!(root[0].values, [1.0, 4.0]);
        assert_eq!(root[1].values, [2.0, 3.0]);
    }
}
