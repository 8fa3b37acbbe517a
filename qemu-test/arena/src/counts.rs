// SPDX-License-Identifier: GPL-2.0

//! Represents counts of memory accesses, and reads and writes them as a line.

use std::fmt;

use anyhow::{Context, Result};

/// The accesses from the CPUs of one node to the pages of an arena on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The arena.
    pub arena: usize,
    /// The node of the CPUs, or the number of nodes if the plug-in does not know the CPU.
    pub cpu: usize,
    /// The node of the memory, or the number of nodes if the plug-in does not know the node.
    pub memory: usize,
    /// The number of loads and stores.
    pub accesses: u64,
}

/// The counts at a mark, since the start of the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of the mark.
    pub mark: usize,
    /// The counts that are not 0.
    pub rows: Vec<Row>,
}

impl Counts {
    /// Reads a line that [`Display`](fmt::Display) has written.
    ///
    /// # Errors
    /// The line has another form.
    pub fn parse(line: &str) -> Result<Self> {
        let wrong = || format!("{line:?} has no counts");
        let mut words = line.split_whitespace();
        let mark = words.next().filter(|word| *word == "mark");
        let mark = mark.and_then(|_| words.next()).with_context(wrong)?;
        Ok(Self {
            mark: mark.parse().with_context(wrong)?,
            rows: words
                .map(|word| row(word).with_context(wrong))
                .collect::<Result<_>>()?,
        })
    }

    /// Returns the counts since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |row: &Row| {
            let same =
                |old: &&Row| (old.arena, old.cpu, old.memory) == (row.arena, row.cpu, row.memory);
            earlier.rows.iter().find(same).map_or(0, |old| old.accesses)
        };
        let rows = self.rows.iter().map(|row| Row {
            accesses: row.accesses - before(row),
            ..*row
        });
        Self {
            mark: self.mark,
            rows: rows.filter(|row| row.accesses > 0).collect(),
        }
    }

    /// Returns the number of all accesses.
    pub fn accesses(&self) -> u64 {
        self.rows.iter().map(|row| row.accesses).sum()
    }

    /// Returns the number of accesses to memory of the CPU's own node.
    pub fn local(&self) -> u64 {
        let own = self.rows.iter().filter(|row| row.cpu == row.memory);
        own.map(|row| row.accesses).sum()
    }

    /// Returns the part of the accesses that is local, from 0 to 1; `None` without accesses.
    pub fn local_share(&self) -> Option<f64> {
        match self.accesses() {
            0 => None,
            all => Some(self.local() as f64 / all as f64),
        }
    }
}

/// Reads `ARENA:CPU>MEMORY=ACCESSES`.
fn row(word: &str) -> Option<Row> {
    let (arena, rest) = word.split_once(':')?;
    let (cpu, rest) = rest.split_once('>')?;
    let (memory, accesses) = rest.split_once('=')?;
    Some(Row {
        arena: arena.parse().ok()?,
        cpu: cpu.parse().ok()?,
        memory: memory.parse().ok()?,
        accesses: accesses.parse().ok()?,
    })
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mark {}", self.mark)?;
        for row in &self.rows {
            let Row {
                arena,
                cpu,
                memory,
                accesses,
            } = row;
            write!(f, " {arena}:{cpu}>{memory}={accesses}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(mark: usize, rows: &[[u64; 4]]) -> Counts {
        let rows = rows.iter().map(|&[arena, cpu, memory, accesses]| Row {
            arena: arena as usize,
            cpu: cpu as usize,
            memory: memory as usize,
            accesses,
        });
        Counts {
            mark,
            rows: rows.collect(),
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let counts = counts(17, &[[0, 0, 1, 4096], [3, 1, 1, 1]]);
        let line = counts.to_string();
        assert_eq!(line, "mark 17 0:0>1=4096 3:1>1=1");
        assert_eq!(Counts::parse(&line).unwrap(), counts);
        for wrong in ["", "mark", "mark x", "17 0:0>1=4", "mark 1 0:0=4"] {
            assert!(Counts::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_local_share_is_that_since_an_earlier_mark() {
        let first = counts(1, &[[0, 0, 1, 100]]);
        let second = counts(2, &[[0, 0, 1, 110], [0, 1, 1, 30], [1, 0, 0, 0]]);
        let since = second.since(&first);
        assert_eq!(since, counts(2, &[[0, 0, 1, 10], [0, 1, 1, 30]]));
        assert_eq!((since.accesses(), since.local()), (40, 30));
        assert_eq!(since.local_share(), Some(0.75));
        assert_eq!(first.since(&first).local_share(), None);
    }
}
