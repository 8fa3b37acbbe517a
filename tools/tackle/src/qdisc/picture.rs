// SPDX-License-Identifier: GPL-2.0

//! Delays as curves, in SVG: how many of the packets took at most so long.

use anyhow::{anyhow, Result};
use plotters::prelude::*;
use tackle_link::Delays;

const SIZE: (u32, u32) = (860, 480);
const TEXT: RGBColor = RGBColor(34, 38, 43);
const LINES: RGBColor = RGBColor(221, 225, 230);
/// One for each curve; from the seventh on they come again.
const COLOURS: [RGBColor; 6] = [
    RGBColor(92, 116, 145),
    RGBColor(193, 157, 43),
    RGBColor(199, 84, 36),
    RGBColor(58, 125, 92),
    RGBColor(125, 72, 130),
    RGBColor(120, 120, 120),
];

/// Draws a curve for each of these names.
///
/// # Errors
/// When it cannot be drawn.
pub fn draw(title: &str, curves: &[(&str, &Delays)]) -> Result<String> {
    let mut svg = String::new();
    chart(&mut svg, title, curves).map_err(|error| anyhow!("cannot draw the delays: {error}"))?;
    Ok(svg)
}

fn chart(
    svg: &mut String,
    title: &str,
    curves: &[(&str, &Delays)],
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let ends = curves.iter().flat_map(|(_, delays)| {
        let sorted = delays.sorted();
        [sorted.first(), sorted.last()].into_iter().flatten()
    });
    let (least, most) = ends.fold((f64::MAX, 0.0), |(least, most), delay| {
        (delay.min(least), delay.max(most))
    });
    // A delay of nothing has no place on a scale of logarithms.
    let least = (least * 0.8).clamp(1e-3, 1e6);
    let font = |size| ("sans-serif", size).into_font().color(&TEXT);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .margin_right(30)
        .caption(title, font(17))
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(
            (least..(most * 1.2).max(least * 2.0)).log_scale(),
            0.0..100.0,
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINES)
        .axis_style(LINES)
        .label_style(font(13))
        .axis_desc_style(font(14))
        .x_label_formatter(&|delay| format!("{delay}"))
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .x_desc("round trip under load, in milliseconds")
        .y_desc("packets that took no longer")
        .draw()?;
    for (number, (name, delays)) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let count = delays.count() as f64;
        let points: Vec<_> = delays
            .sorted()
            .iter()
            .enumerate()
            .map(|(index, delay)| (delay.max(least), 100.0 * (index + 1) as f64 / count))
            .collect();
        chart.draw_series([PathElement::new(points, colour.stroke_width(2))])?;
        let place = (90, 52 + 20 * i32::try_from(number)?);
        let style = ("sans-serif", 15).into_font().color(&colour);
        root.draw(&Text::new((*name).to_owned(), place, style))?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_curve_and_a_name_for_each() {
        let slow: Delays = [400.0, 500.0, 510.0].into_iter().collect();
        let fast: Delays = [20.0, 21.0, 25.0].into_iter().collect();
        let svg = draw(
            "10 Mbit/s",
            &[("pfifo limit 1000", &slow), ("rcodel", &fast)],
        )
        .unwrap();
        for part in [
            "<svg",
            "10 Mbit/s",
            "pfifo limit 1000",
            "rcodel",
            "milliseconds",
        ] {
            assert!(svg.contains(part), "no {part}");
        }
        let coloured = |colour: &str| svg.matches(&format!("stroke=\"{colour}\"")).count();
        assert_eq!(coloured("#5C7491"), 1);
        assert_eq!(coloured("#C19D2B"), 1);
    }

    #[test]
    fn nothing_can_be_drawn_of_as_well() {
        assert!(draw("none", &[("codel", &Delays::default())]).is_ok());
    }
}
