// SPDX-License-Identifier: GPL-2.0

//! Tests the fault points of an operation one by one: makes the first point fail, then the second,
//! and so on until the operation succeeds.

use anyhow::{bail, ensure, Result};
use nix::errno::Errno;

use crate::sys::codel::Options;
use crate::sys::dummy::Dummy;
use crate::sys::fault::{self, Point};
use crate::sys::livepatch::Patch;
use crate::sys::qdisc::{How, Tc};
use crate::sys::{module, Answer};

/// The module and the qdisc of a walk.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The module.
    pub module: &'static str,
    /// Its qdisc.
    pub kind: &'static str,
}

/// The CoDel queueing discipline.
pub const RCODEL: Target = Target {
    module: "sch_rcodel",
    kind: "rcodel",
};

/// The maximum number of steps of a walk. No operation has so many points.
const FAR: u32 = 20;

/// One fault and its result.
#[derive(Clone, Debug)]
pub struct Step {
    /// The point that failed, counted from 1 in the order of passing.
    pub number: u32,
    /// Whether the fault came while a module was loaded.
    pub loading: bool,
    /// The points that failed. There should be one.
    pub hit: Vec<Point>,
    /// The error that user space got.
    pub got: Errno,
    /// Descriptions of everything that the failed operation left behind. There should be none.
    pub left: Vec<String>,
}

impl Step {
    /// Returns the name of the point, or of all points that failed.
    pub fn name(&self) -> String {
        let names: Vec<_> = self.hit.iter().map(|point| &point.name[..]).collect();
        names.join("+")
    }

    /// Returns the name of the error number that user space should get.
    pub fn expected(&self) -> &str {
        let errno = self.hit.first().map_or("?", |point| &point.errno);
        match (self.loading, errno) {
            // For user space, EEXIST means that a module of this name is loaded, so
            // do_init_module() replaces this return value of an init function.
            (true, "EEXIST") => "EBUSY",
            (_, errno) => errno,
        }
    }

    /// Returns the name of the error number that user space got.
    pub fn seen(&self) -> String {
        format!("{:?}", self.got)
    }

    /// Returns why the step is a failure of the test, or `None` if it is not.
    pub fn complaint(&self) -> Option<String> {
        let Step { number, left, .. } = self;
        if self.hit.len() != 1 {
            return Some(format!("fault {number} hit {:?}, not one point", self.hit));
        }
        let name = self.name();
        if self.seen() != self.expected() {
            let (expected, seen) = (self.expected(), self.seen());
            return Some(format!("{name}: expected {expected}, got {seen}"));
        }
        (!left.is_empty()).then(|| format!("{name}: left behind: {}", left.join(", ")))
    }
}

/// Makes one point after another fail in `operation`, until it succeeds. After each fault, `left`
/// returns descriptions of what remains. Returns the steps and the value of the operation.
///
/// # Errors
///
/// The attribute cannot be used, the number of faults exceeds [`FAR`], or the operation fails
/// without a fault.
fn walk<T>(
    loading: bool,
    operation: impl Fn() -> Result<Answer<T>>,
    left: impl Fn() -> Result<Vec<String>>,
) -> Result<(Vec<Step>, T)> {
    let mut steps = Vec::new();
    for number in 1..=FAR {
        let before = fault::points()?;
        fault::arm(number)?;
        let answer = operation();
        fault::disarm()?;
        match answer? {
            Ok(value) => return Ok((steps, value)),
            Err(got) => {
                let hit = fault::hit(&before, &fault::points()?);
                ensure!(!hit.is_empty(), "{got:?} although no point was hit");
                steps.push(Step {
                    number,
                    loading,
                    hit,
                    got,
                    left: left()?,
                });
            }
        }
    }
    bail!("still failing after {FAR} faults: {steps:?}")
}

/// Tests the faults of loading the module. Returns the loaded module. The library must be loaded.
///
/// # Errors
///
/// See [`walk`].
pub fn loading(target: Target, device: &Dummy) -> Result<(Vec<Step>, module::Loaded)> {
    let Target { module, kind } = target;
    let tc = Tc::open()?;
    let left = || {
        let mut left = Vec::new();
        if module::is_loaded(module)? {
            left.push("the module".to_string());
        }
        match tc.put(How::Replace, device.index, kind, None)? {
            Err(Errno::ENOENT) => {}
            answer => left.push(format!("the kind {kind}: {answer:?}")),
        }
        Ok(left)
    };
    walk(true, || module::insmod(module, ""), left)
}

/// Tests the faults of loading a module of the library. Returns the loaded module.
///
/// # Errors
///
/// See [`walk`].
pub fn loading_library(name: &'static str) -> Result<(Vec<Step>, module::Loaded)> {
    let left = || {
        let is_left = module::is_loaded(name)?.then(|| "the module".to_string());
        Ok(is_left.into_iter().collect())
    };
    walk(true, || module::insmod(name, ""), left)
}

/// Tests the faults of loading a live patch. Returns the patch, whose transition has begun. The
/// library must be loaded.
///
/// # Errors
///
/// See [`walk`].
pub fn patching(name: &'static str) -> Result<(Vec<Step>, Patch)> {
    let left = || {
        let mut left = Vec::new();
        if module::is_loaded(name)? {
            left.push("the module".to_string());
        }
        if Patch::folder_of(name).exists() {
            left.push("the patch".to_string());
        }
        Ok(left)
    };
    let (steps, module) = walk(true, || module::insmod(name, ""), left)?;
    Ok((steps, Patch::of(name, module)))
}

/// Tests the faults of replacing a `pfifo` on a device by the qdisc. The module must be loaded. The
/// device has the qdisc in the end.
///
/// # Errors
///
/// See [`walk`].
pub fn adding(Target { kind, .. }: Target, device: &Dummy) -> Result<Vec<Step>> {
    let tc = Tc::open()?;
    tc.put(How::Replace, device.index, "pfifo", None)??;
    // Add the qdisc with options, so that reading the options can fail, too.
    let options = Options {
        limit: Some(77),
        ..Options::default()
    };
    let options = options.encode();
    let operation = || tc.put(How::Replace, device.index, kind, Some(&options));
    let (steps, ()) = walk(false, operation, unchanged(&tc, device)?)?;
    let now = tc.show(device.index)?;
    if now.kind != kind {
        bail!("without a fault the device has {}, not {kind}", now.kind);
    }
    Ok(steps)
}

/// Tests the faults of changing the options of the qdisc on a device to these encoded options.
///
/// # Errors
///
/// See [`walk`].
pub fn changing(kind: &str, device: &Dummy, options: &[u8]) -> Result<Vec<Step>> {
    let tc = Tc::open()?;
    let operation = || tc.put(How::Change, device.index, kind, Some(options));
    let (steps, ()) = walk(false, operation, unchanged(&tc, device)?)?;
    Ok(steps)
}

/// Returns a function that describes how the qdisc on a device differs from its current state.
fn unchanged<'a>(tc: &'a Tc, device: &'a Dummy) -> Result<impl Fn() -> Result<Vec<String>> + 'a> {
    let old = tc.show(device.index)?;
    Ok(move || {
        let now = tc.show(device.index)?;
        let same = (&now.kind, &now.options) == (&old.kind, &old.options);
        Ok(if same {
            Vec::new()
        } else {
            vec![format!("{} instead of {}", now.kind, old.kind)]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(points: &[&str], got: Errno, left: &[&str]) -> Step {
        Step {
            number: 1,
            loading: false,
            hit: points.iter().map(|line| line.parse().unwrap()).collect(),
            got,
            left: left.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_step_is_good_with_one_point_its_errno_and_nothing_left() {
        let good = step(&["register_qdisc EEXIST 2 1"], Errno::EEXIST, &[]);
        assert_eq!(good.complaint(), None);
    }

    #[test]
    fn the_loader_has_its_own_use_for_eexist() {
        let mut step = step(&["register_qdisc EEXIST 2 1"], Errno::EBUSY, &[]);
        assert!(step.complaint().is_some());
        step.loading = true;
        assert_eq!(step.complaint(), None);
    }

    #[test]
    fn every_fault_of_a_step_is_told() {
        let point = "register_qdisc EEXIST 2 1";
        for (bad, word) in [
            (step(&[], Errno::EEXIST, &[]), "not one point"),
            (step(&[point, point], Errno::EEXIST, &[]), "not one point"),
            (step(&[point], Errno::ENOMEM, &[]), "got ENOMEM"),
            (step(&[point], Errno::EEXIST, &["the module"]), "the module"),
        ] {
            let complaint = bad.complaint().unwrap();
            assert!(complaint.contains(word), "{complaint}");
        }
    }
}
