// SPDX-License-Identifier: GPL-2.0

//! Draws delays as SVG curves: the percentage of packets with at most a certain delay.

use anyhow::{anyhow, Result};
use plotters::prelude::*;
use tackle_link::Delays;

const SIZE: (u32, u32) = (860, 480);
/// The space before and after the names of the curves, in pixels.
const GAP: u32 = 18;
const TEXT: RGBColor = RGBColor(34, 38, 43);
const LINES: RGBColor = RGBColor(221, 225, 230);
/// The colours of the curves. The seventh curve has the first colour again.
const COLOURS: [RGBColor; 6] = [
    RGBColor(92, 116, 145),
    RGBColor(193, 157, 43),
    RGBColor(199, 84, 36),
    RGBColor(58, 125, 92),
    RGBColor(125, 72, 130),
    RGBColor(120, 120, 120),
];

/// Draws a curve for each of these names. Returns the picture as SVG.
///
/// # Errors
/// Returns an error if plotters cannot draw the picture.
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
    // The axis must begin at a power of ten, since plotters labels only the lines from the first
    // power of ten in the range on. The factor keeps rounding errors from excluding this power.
    // The minimum is positive since a logarithmic scale has no zero.
    let least = 10_f64.powf(least.clamp(1e-3, 1e6).log10().floor()) * (1.0 - 1e-9);
    let names = width(curves);
    let font = |size| ("sans-serif", size).into_font().color(&TEXT);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .margin_right(names)
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
        .x_labels(20)
        .x_label_formatter(&label)
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
        let place = (
            i32::try_from(SIZE.0 - names + GAP)?,
            52 + 20 * i32::try_from(number)?,
        );
        let style = ("sans-serif", 15).into_font().color(&colour);
        root.draw(&Text::new((*name).to_owned(), place, style))?;
    }
    root.present()?;
    Ok(())
}

/// Returns the width of the curves' names in pixels, with 8 pixels for each letter. At least half
/// of the picture is left for the curves.
fn width(curves: &[(&str, &Delays)]) -> u32 {
    let longest = curves.iter().map(|(name, _)| name.chars().count()).max();
    let letters = u32::try_from(longest.unwrap_or(0)).unwrap_or(u32::MAX);
    letters
        .saturating_mul(8)
        .saturating_add(2 * GAP)
        .min(SIZE.0 / 2)
}

/// Returns the label of a line. It is empty where lines are close to each other.
fn label(delay: &f64) -> String {
    // plotters adds up tenths, so the value has a rounding error.
    let text = ((delay * 1e6).round() / 1e6).to_string();
    let digits = text.trim_start_matches(['0', '.']);
    if digits.starts_with(['1', '2', '3', '5']) {
        text
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::Pixmap;

    use super::*;
    use crate::picture::picture;

    fn drawn(name: &str) -> Vec<u8> {
        let slow: Delays = [400.0, 500.0, 510.0].into_iter().collect();
        let fast: Delays = [20.0, 21.0, 25.0].into_iter().collect();
        let curves = [("pfifo limit 1000", &slow), ("rcodel", &fast)];
        let svg = draw("10 Mbit/s", &curves).unwrap();
        picture(name).unwrap().encode(svg).unwrap()
    }

    #[test]
    fn a_picture_has_a_curve_and_a_name_for_each() {
        let svg = String::from_utf8(drawn("a.svg")).unwrap();
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
    fn lines_have_numbers_where_there_is_room() {
        let all = [0.05, 0.06, 0.1 + 0.2, 1.0, 20.0, 40.0, 300.0, 900.0];
        let labels = all.map(|delay| label(&delay));
        assert_eq!(labels, ["0.05", "", "0.3", "1", "20", "", "300", ""]);
    }

    #[test]
    fn the_first_line_has_a_number() {
        for least in [0.001, 0.01, 0.1, 1.0, 10.0] {
            let delays: Delays = [1.5 * least, 40.0 * least].into_iter().collect();
            let curves = [("codel", &delays)];
            let svg = draw("", &curves).unwrap();
            assert!(svg.contains(&format!("\n{least}\n")), "{least}: {svg}");
        }
    }

    #[test]
    fn a_long_name_is_not_cut_off() {
        let delays: Delays = [400.0, 500.0].into_iter().collect();
        let curves = [("fq_codel limit 1000 target 5ms memory_limit 3Mb", &delays)];
        let svg = draw("", &curves).unwrap();
        let drawn = picture("a.png").unwrap().encode(svg).unwrap();
        let pixels = Pixmap::decode_png(&drawn).unwrap();
        let white = |pixel: &resvg::tiny_skia::PremultipliedColorU8| {
            (pixel.red(), pixel.green(), pixel.blue()) == (255, 255, 255)
        };
        let edge = pixels.pixels().chunks(1720).map(|row| &row[1710..]);
        assert!(edge.flatten().all(white));
    }

    #[test]
    fn pixels_have_curves_and_letters() {
        let pixels = Pixmap::decode_png(&drawn("a.png")).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (1720, 960));
        let count = |colour: RGBColor, top: usize, bottom: usize| {
            let rows = &pixels.pixels()[top * 1720..bottom * 1720];
            let is = |pixel: &&resvg::tiny_skia::PremultipliedColorU8| {
                (pixel.red(), pixel.green(), pixel.blue()) == (colour.0, colour.1, colour.2)
            };
            rows.iter().filter(is).count()
        };
        // The curves must have been drawn. The title must have been drawn, too, which needs a
        // font.
        assert!(count(COLOURS[0], 200, 960) > 100);
        assert!(count(COLOURS[1], 200, 960) > 100);
        assert!(count(TEXT, 0, 80) > 10);
    }

    #[test]
    fn nothing_can_be_drawn_of_as_well() {
        let nothing = [("codel", &Delays::default())];
        assert!(draw("none", &nothing).is_ok());
    }
}
