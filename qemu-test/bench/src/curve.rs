// SPDX-License-Identifier: GPL-2.0

//! Curves: how a value goes in the rounds of a case, drawn as SVG.

use anyhow::{anyhow, Result};
use plotters::prelude::*;
use serde::Deserialize;

use crate::plot::{colour, font, LINES, WIDTH};
use crate::subject::{find, Subject};

/// How a value went in one round.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Curve {
    /// The suite.
    pub suite: String,
    /// The case in the suite.
    pub case: String,
    /// What was measured.
    pub subject: String,
    /// Pairs of a time in seconds and the value.
    pub points: Vec<[f64; 2]>,
}

const HEIGHT: u32 = 320;

/// Draws the curves of a case, of which each value is a percentage: a thin line for each round,
/// and a thick one for the median of a subject's rounds.
///
/// # Errors
/// When they cannot be drawn, or a subject is not known.
pub fn curves(axis: &str, curves: &[&Curve]) -> Result<String> {
    let mut subjects: Vec<&'static Subject> = Vec::new();
    for curve in curves {
        let subject = find(&curve.suite, &curve.subject)?;
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let mut svg = String::new();
    let drawn = draw(&mut svg, axis, curves, &subjects);
    drawn.map_err(|error| anyhow!("cannot draw {axis:?}: {error}"))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    axis: &str,
    curves: &[&Curve],
    subjects: &[&'static Subject],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let ends = curves.iter().filter_map(|curve| curve.points.last());
    let end = ends.map(|[time, _]| *time).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .margin(4)
        .margin_right(24)
        .x_label_area_size(42)
        .y_label_area_size(56)
        // Above 100 % there is room for the line's own width.
        .build_cartesian_2d(0.0..end, 0.0..104.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINES)
        .axis_style(LINES)
        .label_style(font(13))
        .axis_desc_style(font(14))
        .y_labels(6)
        .y_label_formatter(&|value| format!("{value:.0} %"))
        .x_desc("seconds of the guest's clock")
        .y_desc(axis)
        .draw()?;
    for subject in subjects {
        let colour = colour(subject.language);
        let of_subject = curves.iter().filter(|curve| curve.subject == subject.name);
        let rounds: Vec<_> = of_subject.map(|curve| &curve.points).collect();
        for points in &rounds {
            let points: Vec<_> = points.iter().map(|[time, value]| (*time, *value)).collect();
            chart.draw_series([PathElement::new(points, colour.mix(0.25))])?;
        }
        chart
            .draw_series([PathElement::new(median(&rounds), colour.stroke_width(2))])?
            .label(subject.label)
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(LINES)
        .label_font(font(13))
        .draw()?;
    root.present()?;
    Ok(())
}

/// The median of the rounds at each of their marks. Rounds that are shorter have no part in it
/// after their end.
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

    fn curve(subject: &str, values: &[f64]) -> Curve {
        let points = values.iter().enumerate();
        Curve {
            suite: "numa-placement".into(),
            case: "2n-misplaced".into(),
            subject: subject.into(),
            points: points
                .map(|(index, value)| [index as f64, *value])
                .collect(),
        }
    }

    #[test]
    fn each_round_has_a_line_and_each_subject_a_median() {
        let all = [
            curve("kernel", &[0.0, 50.0]),
            curve("kernel", &[10.0, 60.0]),
            curve("none", &[0.0, 0.0]),
        ];
        let svg = curves("local share", &all.iter().collect::<Vec<_>>()).unwrap();
        // Three rounds, two medians and two samples in the legend, besides the axes.
        let one = curves("local share", &[&all[2]]).unwrap();
        let lines = |svg: &str| svg.matches("<polyline").count();
        assert_eq!(lines(&svg) - lines(&one), 4, "{svg}");
        assert!(svg.contains("seconds of the guest"), "{svg}");
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
