// SPDX-License-Identifier: GPL-2.0

//! Draws the course of a value over time in the rounds of a case.

use anyhow::Result;
use serde::Deserialize;

use crate::curves::{Curves, Line, Look};
use crate::subject::{find, Subject};

/// The course of a value in one round.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Course {
    /// The suite.
    pub suite: String,
    /// The case in the suite.
    pub case: String,
    /// What was measured.
    pub subject: String,
    /// Pairs of a time in seconds and the value.
    pub points: Vec<[f64; 2]>,
}

/// Makes the curves of each case from the courses of its rounds, which are local shares. Each round
/// is a thin line, and the median of a subject's rounds is a thick one.
///
/// # Errors
/// Fails when a subject is not known.
pub fn curves(courses: &[Course]) -> Result<Vec<Curves>> {
    let mut all: Vec<Curves> = Vec::new();
    for course in courses {
        let is_known = |curves: &Curves| curves.suite == course.suite && curves.case == course.case;
        if !all.iter().any(is_known) {
            all.push(Curves {
                suite: course.suite.clone(),
                case: course.case.clone(),
                x: "seconds of the guest's clock".into(),
                y: "local share, %".into(),
                // The axis ends above 100 %, to leave room for the width of the line.
                top: Some(104.0),
                is_log: false,
                lines: Vec::new(),
            });
        }
    }
    for curves in &mut all {
        let of_case = |course: &&Course| course.suite == curves.suite && course.case == curves.case;
        let courses: Vec<_> = courses.iter().filter(of_case).collect();
        let mut subjects: Vec<&'static Subject> = Vec::new();
        for course in &courses {
            let subject = find(&course.suite, &course.subject)?;
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        for subject in subjects {
            let of_subject = courses
                .iter()
                .filter(|course| course.subject == subject.name);
            let rounds: Vec<_> = of_subject.map(|course| &course.points).collect();
            curves.lines.extend(rounds.iter().map(|points| Line {
                label: None,
                look: Look::Run(subject.language),
                points: points.iter().map(|[time, value]| (*time, *value)).collect(),
            }));
            curves.lines.push(Line {
                label: Some(subject.label.to_owned()),
                look: Look::Subject(subject.language),
                points: median(&rounds),
            });
        }
    }
    Ok(all)
}

/// Returns the median of the rounds at each mark. A shorter round does not count after its end.
fn median(rounds: &[&Vec<[f64; 2]>]) -> Vec<(f64, f64)> {
    let longest = rounds.iter().map(|points| points.len()).max().unwrap_or(0);
    let at = |index: usize| {
        let here: Vec<_> = rounds
            .iter()
            .filter_map(|points| points.get(index))
            .collect();
        let middle = |column: usize| {
            let mut values: Vec<_> = here.iter().map(|point| point[column]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        (middle(0), middle(1))
    };
    (0..longest).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(case: &str, subject: &str, values: &[f64]) -> Course {
        let points = values.iter().enumerate();
        Course {
            suite: "numa-placement".into(),
            case: case.into(),
            subject: subject.into(),
            points: points
                .map(|(index, value)| [index as f64, *value])
                .collect(),
        }
    }

    #[test]
    fn each_round_has_a_line_and_each_subject_a_median() {
        let all = [
            course("2n-misplaced", "kernel", &[0.0, 50.0]),
            course("2n-misplaced", "kernel", &[10.0, 60.0]),
            course("2n-misplaced", "none", &[0.0, 0.0]),
            course("2n-crossed", "none", &[1.0]),
        ];
        let cases = curves(&all).unwrap();
        assert_eq!(cases.len(), 2);
        let labels: Vec<_> = cases[0].lines.iter().map(|line| &line.label).collect();
        let (kernel, none) = ("the kernel's".to_owned(), "no balancing".to_owned());
        assert_eq!(labels, [&None, &None, &Some(kernel), &None, &Some(none)]);
        assert_eq!(cases[0].lines[2].points, [(0.0, 10.0), (1.0, 60.0)]);
        assert_eq!(cases[1].lines.len(), 2);
        cases[0].draw().unwrap();
        assert!(curves(&[course("2n-crossed", "nobody", &[])]).is_err());
    }

    #[test]
    fn the_median_is_that_of_the_rounds_at_each_mark() {
        let rounds = [
            vec![[0.0, 1.0], [1.0, 5.0]],
            vec![[0.0, 3.0]],
            vec![[0.0, 2.0]],
        ];
        let rounds: Vec<_> = rounds.iter().collect();
        assert_eq!(median(&rounds), [(0.0, 2.0), (1.0, 5.0)]);
        assert!(median(&[]).is_empty());
    }
}
