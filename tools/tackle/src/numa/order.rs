// SPDX-License-Identifier: GPL-2.0

//! Sorts the tasks in `tackle numa top`.

use std::cmp::Ordering;

use clap::ValueEnum;

use super::rates::{Line, Rates};

/// A column to sort by. What needs a look comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Hinting faults
    Faults,
    /// Pages of these faults
    Pages,
    /// The local share, the smallest first
    Local,
    /// Pages migrated
    Migrated,
    /// Moves of the task between nodes
    Moves,
    /// The time for which the task waited for its faults
    Stall,
    /// The NUMA group
    Group,
    /// The thread ID
    Pid,
    /// The name
    Comm,
}

impl Sort {
    /// Returns the column that is `by` columns to the right.
    pub fn step(self, by: isize) -> Self {
        let all = Self::value_variants();
        let place = all.iter().position(|one| *one == self).unwrap_or(0);
        let place = place.wrapping_add_signed(by);
        let last = all.len() - 1;
        // The column to the left of the first column is the last one.
        let place = if place > all.len() {
            last
        } else {
            place % all.len()
        };
        all[place]
    }

    /// Returns the column's name in the option `--sort`.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Sorts tasks. Among equal tasks, the smaller thread ID comes first.
    pub fn order(self, lines: &mut [Line], reverse: bool) {
        lines.sort_by(|a, b| {
            let order = self.compare(a, b);
            let order = if reverse { order.reverse() } else { order };
            order.then_with(|| a.row.number("pid").cmp(&b.row.number("pid")))
        });
    }

    fn compare(self, a: &Line, b: &Line) -> Ordering {
        let most_first = |of: fn(&Rates) -> f64, total: &[&str]| {
            let value = |line: &Line| match &line.rates {
                Some(rates) => of(rates),
                // The first reading has no rates, so the totals are compared.
                None => total.iter().map(|key| line.row.count(key) as f64).sum(),
            };
            value(b).total_cmp(&value(a))
        };
        match self {
            Self::Faults => most_first(|rates| rates.faults, &["faults"]),
            Self::Pages => most_first(|rates| rates.pages, &["pages"]),
            Self::Migrated => most_first(|rates| rates.migrated, &["migrated"]),
            Self::Moves => most_first(|rates| rates.moves, &["moves", "swaps"]),
            Self::Stall => most_first(|rates| rates.stall_ns, &["stall_ns"]),
            Self::Local => {
                let share = |line: &Line| line.local.unwrap_or(f64::INFINITY);
                share(a).total_cmp(&share(b))
            }
            Self::Group => a.row.number("group").cmp(&b.row.number("group")),
            Self::Pid => a.row.number("pid").cmp(&b.row.number("pid")),
            Self::Comm => a.row.text("comm").cmp(&b.row.text("comm")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::lines;
    use super::super::row::Row;
    use super::super::source::Level;
    use super::*;

    fn order(sort: Sort, reverse: bool) -> Vec<u64> {
        let rows = [
            "pid=1 comm=b faults=5 pages=10 local=9 stall_ns=1",
            "pid=2 comm=a faults=9 pages=10 local=1 stall_ns=7",
            "pid=3 comm=c faults=5 group=1",
        ];
        let rows = rows.map(|row| Row::parse(row).unwrap());
        let mut all = lines(&rows, &[], Level::Task, None);
        sort.order(&mut all, reverse);
        all.iter().map(|line| line.row.count("pid")).collect()
    }

    #[test]
    fn what_needs_a_look_comes_first() {
        assert_eq!(order(Sort::Faults, false), [2, 1, 3]);
        assert_eq!(order(Sort::Faults, true), [1, 3, 2]);
        assert_eq!(order(Sort::Local, false), [2, 1, 3]);
        assert_eq!(order(Sort::Stall, false), [2, 1, 3]);
        assert_eq!(order(Sort::Comm, false), [2, 1, 3]);
        assert_eq!(order(Sort::Pid, true), [3, 2, 1]);
    }

    #[test]
    fn columns_go_round() {
        assert_eq!(Sort::Faults.step(-1), Sort::Comm);
        assert_eq!(Sort::Comm.step(1), Sort::Faults);
        assert_eq!(Sort::Pages.step(1).name(), "local");
    }
}
