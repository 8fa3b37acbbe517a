// SPDX-License-Identifier: GPL-2.0

//! Writes pictures to SVG or PNG files. Callers draw pictures as SVG text.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use epaint_default_fonts::UBUNTU_LIGHT;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use tempfile::NamedTempFile;

/// The factor from SVG units to PNG pixels. It is above 1 so that letters are sharp.
const SCALE: f32 = 2.0;

/// The file of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The path of the file.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
}

/// The format of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// Scalable vector graphics.
    Svg,
    /// Pixels.
    Png,
}

/// Parses the name of a picture's file. The name's ending selects the format.
///
/// # Errors
/// Returns an error if the name ends in neither `.svg` nor `.png`.
pub fn picture(name: &str) -> Result<Picture, String> {
    let path = PathBuf::from(name);
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    let format = match ending.to_str() {
        Some("svg") => Format::Svg,
        Some("png") => Format::Png,
        _ => return Err("not a name that ends in .svg or .png".into()),
    };
    Ok(Picture { path, format })
}

impl Picture {
    /// Checks that the file can be written, and leaves it unchanged.
    ///
    /// # Errors
    /// Returns an error if no file can be created in the picture's folder.
    pub fn check(&self) -> Result<()> {
        beside(&self.path).map(drop)
    }

    /// Writes the picture. An existing file is replaced atomically.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written, and the errors of [`encode`](Self::encode).
    pub fn write(&self, svg: String) -> Result<()> {
        let mut file = beside(&self.path)?;
        file.write_all(&self.encode(svg)?)?;
        file.persist(&self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }

    /// Converts a picture from SVG to the format of the file.
    ///
    /// # Errors
    /// Returns an error if the format is PNG and `svg` is no valid SVG.
    pub fn encode(&self, svg: String) -> Result<Vec<u8>> {
        match self.format {
            Format::Svg => Ok(svg.into_bytes()),
            Format::Png => png(&svg),
        }
    }
}

/// Creates a temporary file in the folder of `path`, so that it can be renamed to `path`.
fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        // By default only the owner may read a temporary file.
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn png(svg: &str) -> Result<Vec<u8>> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_font_data(UBUNTU_LIGHT.to_vec());
    let font = fonts.faces().next().context("a font without a face")?;
    let family = font.families[0].0.clone();
    fonts.set_sans_serif_family(family);
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size().to_int_size();
    let size = size.scale_by(SCALE).context("an empty picture")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("an empty picture")?;
    resvg::render(
        &tree,
        Transform::from_scale(SCALE, SCALE),
        &mut pixels.as_mut(),
    );
    Ok(pixels.encode_png()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        for (name, format) in [("a.svg", Format::Svg), ("/b/c.d.PNG", Format::Png)] {
            let path = PathBuf::from(name);
            assert_eq!(picture(name), Ok(Picture { path, format }));
        }
        for wrong in ["", "svg", ".png", "a.jpg", "a.svg.gz"] {
            assert!(picture(wrong).is_err(), "{wrong}");
        }
    }
}
