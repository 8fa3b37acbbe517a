// SPDX-License-Identifier: GPL-2.0

//! Represents a kernel to boot: a directory with all files that QEMU needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{bail, Context, Result};

/// A kernel and its name in reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The name: letters, digits, `.`, `_` and `-`; it becomes a directory's name.
    pub name: String,
    /// The directory with the files.
    pub dir: PathBuf,
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, dir) = text.split_once('=').ok_or("expected NAME=DIR")?;
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(valid) {
            return Err(format!("{name:?} is no name for a kernel"));
        }
        if dir.is_empty() {
            return Err("the directory is missing after NAME=".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            dir: PathBuf::from(dir),
        })
    }
}

impl Kernel {
    /// Returns the path of the compressed kernel.
    pub fn image(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// Returns the path of the initramfs, which mounts the other file systems.
    pub fn initramfs(&self) -> PathBuf {
        self.dir.join("initramfs.img")
    }

    /// Returns the path of the root file system's image.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root.img")
    }

    /// Returns the path of the file system image with `/lib/modules`.
    pub fn modules(&self) -> PathBuf {
        self.dir.join("modules.img")
    }

    /// Returns the directory that a guest under User Mode Linux sees as `/tackle`: modules,
    /// programs and test data.
    pub fn payload(&self) -> PathBuf {
        self.dir.join("payload")
    }

    /// Returns the path of the payload as a file system image, for guests of QEMU.
    pub fn payload_image(&self) -> PathBuf {
        self.dir.join("payload.img")
    }

    /// Returns the path of the kernel's config.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config")
    }

    /// Returns whether `option`, such as `CONFIG_KASAN`, is `y`. The value `m` does not count.
    ///
    /// # Errors
    /// Fails when the config cannot be read; the message names it.
    pub fn has(&self, option: &str) -> Result<bool> {
        let path = self.config();
        let text = fs::read_to_string(&path)
            .with_context(|| format!("kernel {}: cannot read {}", self.name, path.display()))?;
        let value = |line: &str| Some(line.strip_prefix(option)?.strip_prefix('=')? == "y");
        Ok(text.lines().find_map(value).unwrap_or(false))
    }

    /// # Errors
    /// Fails when one of the files does not exist; the message names it.
    pub fn check(&self) -> Result<()> {
        for path in [
            self.image(),
            self.initramfs(),
            self.root(),
            self.modules(),
            self.payload(),
            self.payload_image(),
            self.config(),
        ] {
            self.require(&path)?;
        }
        Ok(())
    }

    fn require(&self, path: &Path) -> Result<()> {
        if !path.exists() {
            bail!("kernel {}: {} is missing", self.name, path.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_directories() {
        let kernel: Kernel = "stock=build/kernels/stock".parse().unwrap();
        assert_eq!(kernel.name, "stock");
        assert_eq!(kernel.dir, Path::new("build/kernels/stock"));
        for bad in ["stock", "=dir", "a/b=dir", "..=dir", "stock="] {
            assert!(bad.parse::<Kernel>().is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = Kernel {
            name: "k".into(),
            dir: dir.path().to_owned(),
        };
        for file in [
            "vmlinuz",
            "initramfs.img",
            "root.img",
            "modules.img",
            "payload",
            "payload.img",
            "config",
        ] {
            let error = kernel.check().unwrap_err().to_string();
            assert!(error.contains(file), "{error}");
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        kernel.check().unwrap();
    }
    #[test]
    fn options_are_built_in_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = Kernel {
            name: "k".into(),
            dir: dir.path().to_owned(),
        };
        let error = format!("{:#}", kernel.has("CONFIG_KUNIT").unwrap_err());
        assert!(error.contains("kernel k: cannot read") && error.contains("config"));
        let config = "CONFIG_KASAN_GENERIC=y\n# CONFIG_KASAN is not set\n\
                      CONFIG_KUNIT=m\nCONFIG_PROVE_LOCKING=y\nCONFIG_CMDLINE=\"y\"\n";
        fs::write(kernel.config(), config).unwrap();
        let has = |option| kernel.has(option).unwrap();
        assert!(has("CONFIG_PROVE_LOCKING") && has("CONFIG_KASAN_GENERIC"));
        for option in [
            "CONFIG_KASAN",
            "CONFIG_KUNIT",
            "CONFIG_CMDLINE",
            "CONFIG_NO",
        ] {
            assert!(!has(option), "{option}");
        }
    }
}
