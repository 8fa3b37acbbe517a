// SPDX-License-Identifier: GPL-2.0

//! The names of the suites.

use anyhow::{bail, Result};

/// The suites of the guest program that belong to an ordinary run; each has a
/// boot of its own.
pub const GUEST: &[&str] = &["hooks", "livepatch", "numa", "rcodel", "fault", "load"];

/// What can be asked for with `--suite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Lints.
    Checks,
    /// `cargo test`.
    Host,
    /// A suite of the guest program.
    Guest(&'static str),
    /// The runner's own test on real boots that must fail.
    Rig,
}

impl Suite {
    /// All of them, in the order in which they run: the quick ones first.
    pub fn all() -> Vec<Self> {
        let guest = GUEST.iter().copied().map(Self::Guest);
        [Self::Checks, Self::Host]
            .into_iter()
            .chain(guest)
            .chain([Self::Rig])
            .collect()
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checks => "checks",
            Self::Host => "host",
            Self::Guest(name) => name,
            Self::Rig => "rig",
        }
    }

    /// Whether it boots a kernel.
    pub fn boots(self) -> bool {
        matches!(self, Self::Guest(_) | Self::Rig)
    }
}

/// The suites with these names, or all when there are none; each once, in the order of [`Suite::all`].
///
/// # Errors
/// When a name is unknown; the message has the allowed ones.
pub fn select(names: &[String]) -> Result<Vec<Suite>> {
    let all = Suite::all();
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|suite| suite.name() != name.as_str()))
    {
        let allowed: Vec<&str> = all.iter().map(|suite| suite.name()).collect();
        bail!("no suite {unknown:?}; there are {}", allowed.join(", "));
    }
    let wanted = |suite: &Suite| names.is_empty() || names.iter().any(|name| name == suite.name());
    Ok(all.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_means_all() {
        assert_eq!(select(&[]).unwrap(), Suite::all());
    }

    #[test]
    fn each_once_and_in_order() {
        let names = ["rig", "hooks", "rig", "host"].map(str::to_owned);
        assert_eq!(
            select(&names).unwrap(),
            [Suite::Host, Suite::Guest("hooks"), Suite::Rig]
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = select(&["hook".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\"hook\"") && error.contains("livepatch") && !error.contains('\n'));
    }
}
