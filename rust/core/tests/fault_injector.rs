// SPDX-License-Identifier: GPL-2.0

//! The fault injector: its commands, the table of points, and which calls fail.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;

use proptest::collection::vec;
use proptest::prelude::*;
use tackle_core::fault::{
    Command, CommandError, Context, Frame, Identity, Mode, Operation, Plan, Point, PointId, Points,
    Sight, Value, DEFAULT_LIMIT, DEPTH, MAX_NAMED,
};
use tackle_core::hooks::Returns;

type Table = Points<Box<[Point]>>;

fn table(places: usize) -> Table {
    Points::new((0..places).map(|_| Point::unused()).collect())
}

fn id(number: u64) -> PointId {
    PointId::parse(&format!("{number:016x}")).unwrap()
}

fn sight(frames: &[usize]) -> Sight<'_> {
    Sight {
        function: 3,
        gfp: Some(0xcc0),
        order: None,
        context: 2,
        comm: *b"a name of a task",
        site: 1,
        frames,
    }
}

fn n(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

/// Which of these calls fail, as the numbers of calls from 1.
fn failures(plan: &Plan, table: &Table, calls: &[u64]) -> Vec<usize> {
    let decide = |call: &u64| {
        let point = table.get_or_add(id(*call), || sight(&[])).unwrap();
        plan.decide(point)
    };
    let numbered = calls.iter().enumerate();
    let failed = numbered.filter(|(_, call)| decide(call));
    failed.map(|(index, _)| index + 1).collect()
}

#[test]
fn off_and_discover_fail_nothing() {
    let (plan, table) = (Plan::new(), table(8));
    assert!(!plan.is_armed());
    assert_eq!(failures(&plan, &table, &[1, 2]), []);
    assert_eq!(plan.counts().calls, 0);
    plan.arm(&Mode::Discover, &table);
    assert!(plan.is_armed());
    assert_eq!(failures(&plan, &table, &[1, 2, 1]), []);
    let counts = plan.counts();
    assert_eq!((counts.calls, counts.failed, counts.last), (3, 0, None));
}

#[test]
fn one_fails_one_call_at_one_point() {
    let (plan, table) = (Plan::new(), table(8));
    plan.arm(
        &Mode::One {
            id: id(2),
            hit: n(2),
        },
        &table,
    );
    assert_eq!(failures(&plan, &table, &[1, 2, 1, 2, 2, 3]), [4]);
    assert_eq!(plan.counts().last, Some(id(2)));
    let two = table.get_or_add(id(2), || unreachable!()).unwrap();
    assert_eq!((two.hits(), two.failed()), (3, 1));
    plan.arm(
        &Mode::One {
            id: id(2),
            hit: n(2),
        },
        &table,
    );
    assert_eq!(two.hits(), 0);
    assert_eq!(failures(&plan, &table, &[2, 2]), [2]);
}

#[test]
fn from_fails_all_later_calls_up_to_the_limit() {
    let (plan, table) = (Plan::new(), table(8));
    let mode = Mode::From {
        id: id(2),
        hit: n(1),
        limit: n(2),
    };
    plan.arm(&mode, &table);
    assert_eq!(
        failures(&plan, &table, &[1, 2, 1, 3, 2, 2, 2, 1, 1]),
        [2, 3, 4, 5, 8]
    );
    let counts = plan.counts();
    assert_eq!((counts.failed, counts.retries), (5, 2));
    assert!(table
        .get_or_add(id(2), || unreachable!())
        .unwrap()
        .gave_up());
    assert!(!table
        .get_or_add(id(3), || unreachable!())
        .unwrap()
        .gave_up());
}

#[test]
fn nth_counts_calls_at_all_points() {
    let (plan, table) = (Plan::new(), table(8));
    plan.arm(&Mode::Nth(n(3)), &table);
    assert_eq!(failures(&plan, &table, &[1, 2, 1, 1]), [3]);
    plan.disarm();
    assert_eq!(failures(&plan, &table, &[1, 2, 1, 1]), []);
}

/// Which calls fail at random, as pairs of a point and the number of the call at it.
fn drawn(calls: &[u64], seed: u64, percent: u8, times: Option<u64>) -> HashSet<(u64, u64)> {
    let (plan, table) = (Plan::new(), table(32));
    let times = times.map(n);
    plan.arm(
        &Mode::Random {
            percent,
            seed,
            times,
        },
        &table,
    );
    let mut hits: HashMap<u64, u64> = HashMap::new();
    let mut failed = HashSet::new();
    for call in calls {
        let hit = hits.entry(*call).or_default();
        *hit += 1;
        let point = table.get_or_add(id(*call), || sight(&[])).unwrap();
        if plan.decide(point) {
            failed.insert((*call, *hit));
        }
    }
    failed
}

proptest! {
    #[test]
    fn random_does_not_depend_on_the_order_of_points(
        (calls, shuffled) in vec(1..20_u64, 0..200)
            .prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle())),
        seed: u64,
    ) {
        prop_assert_eq!(drawn(&calls, seed, 30, None), drawn(&shuffled, seed, 30, None));
    }

    #[test]
    fn a_table_has_each_point_once(ids in vec(1..1000_u64, 0..300)) {
        let table = table(128);
        for number in &ids {
            if let Some(point) = table.get_or_add(id(*number), || sight(&[7])) {
                prop_assert_eq!(point.id(), id(*number));
            }
        }
        let distinct: HashSet<u64> = ids.iter().copied().collect();
        prop_assert_eq!(table.len() as usize, distinct.len().min(128));
        let mut order: Vec<u32> = table.iter().map(|(_, point)| point.number()).collect();
        order.sort_unstable();
        prop_assert_eq!(order, (0..table.len()).collect::<Vec<_>>());
    }

    #[test]
    fn an_id_can_be_read(number in 1_u64..) {
        prop_assert_eq!(PointId::parse(&id(number).to_string()), Some(id(number)));
    }
}

#[test]
fn random_has_a_probability_and_an_end() {
    let calls: Vec<u64> = (0..10_000).map(|call| call % 20 + 1).collect();
    assert_eq!(drawn(&calls, 1, 100, None).len(), 10_000);
    let some = drawn(&calls, 1, 10, None);
    // The standard deviation is 30.
    assert!((800..1200).contains(&some.len()), "{}", some.len());
    assert_ne!(some, drawn(&calls, 2, 10, None));
    assert_eq!(drawn(&calls, 1, 10, Some(7)).len(), 7);
}

#[test]
fn the_first_call_is_kept() {
    let table = table(4);
    let frames: Vec<usize> = (100..200).collect();
    let point = table.get_or_add(id(9), || sight(&frames)).unwrap();
    table.get_or_add(id(9), || unreachable!());
    let mut room = [0; DEPTH];
    let seen = point.sight(&mut room);
    assert_eq!(seen, sight(&frames[..DEPTH]));
    table.clear();
    assert!(table.is_empty() && table.iter().count() == 0);
    let none = table.get_or_add(id(9), || Sight {
        gfp: None,
        order: Some(2),
        ..sight(&[])
    });
    let seen = none.unwrap().sight(&mut room);
    assert_eq!(
        (seen.gfp, seen.order, seen.frames.len()),
        (None, Some(2), 0)
    );
}

#[test]
fn a_full_table_takes_no_more() {
    let table = table(2);
    assert!([5, 6, 5]
        .iter()
        .all(|i| table.get_or_add(id(*i), || sight(&[])).is_some()));
    assert!(table.get_or_add(id(7), || unreachable!()).is_none());
    assert!(Points::new(Vec::new())
        .get_or_add(id(7), || unreachable!())
        .is_none());
}

#[test]
fn threads_add_each_point_once() {
    let table = table(64);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 1..=64 {
                    assert!(table.get_or_add(id(i), || sight(&[])).is_some());
                }
            });
        }
    });
    assert_eq!(table.len(), 64);
}

#[test]
fn an_identity_has_all_its_parts() {
    let base = Identity::new(b"f");
    let ids = [
        base.id(),
        Identity::new(b"g").id(),
        base.frame(b"", 1).id(),
        base.frame(b"m", 1).id(),
        base.frame(b"m", 2).id(),
        base.frame(b"m", 1).frame(b"m", 1).id(),
    ];
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    // FNV-1a of "a", by its authors.
    assert_eq!(Identity::new(b"a").id().to_string(), "af63dc4c8601ec8c");
}

#[test]
fn frames() {
    let frame = |text| Frame::before(text).map(|frame| frame.to_string());
    assert_eq!(frame("f.cold+0x1e/0x90").unwrap(), "f.cold+0x1f");
    assert_eq!(frame("f+0x0/0x90 [zram]").unwrap(), "zram:f+0x1");
    assert_eq!(
        frame("f+0xff/0x900 [zram 0123abc]").unwrap(),
        "zram:f+0x100"
    );
    assert_eq!(frame("0xffffffffc0000000"), None);
}

#[test]
fn commands() {
    use Command::*;
    let parse = |line| Command::parse(line).unwrap();
    assert_eq!(parse("status\n"), Status);
    assert_eq!(parse(" points "), Points);
    assert_eq!(parse("forget"), Forget);
    assert_eq!(parse("arm discover"), Arm(Mode::Discover));
    let point = id(0xabc);
    assert_eq!(
        parse("arm one 0000000000000abc"),
        Arm(Mode::One {
            id: point,
            hit: n(1)
        })
    );
    assert_eq!(
        parse("arm from 0000000000000abc hit=3"),
        Arm(Mode::From {
            id: point,
            hit: n(3),
            limit: DEFAULT_LIMIT
        })
    );
    assert_eq!(parse("arm nth 7"), Arm(Mode::Nth(n(7))));
    assert_eq!(
        parse("arm random 5 seed=0 times=2"),
        Arm(Mode::Random {
            percent: 5,
            seed: 0,
            times: Some(n(2))
        })
    );
    let line = "place functions=slab,__alloc_skb return=f:-12 return=g:null module=a,b tree=1 \
                syscall=175 device=259:1 op=write status=nospc context=stack";
    let Place(selection) = parse(line) else {
        panic!("{line}")
    };
    assert_eq!(
        selection.functions().collect::<Vec<_>>(),
        ["slab", "__alloc_skb"]
    );
    let named = [("f", Value::Number(-12)), ("g", Value::Null)];
    assert_eq!(selection.named().collect::<Vec<_>>(), named);
    assert_eq!(selection.modules().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((selection.tree, selection.syscall), (Some(1), Some(175)));
    assert_eq!(
        (selection.device, selection.operation),
        (Some((259, 1)), Operation::Write)
    );
    assert_eq!((selection.status, selection.context), (3, Context::Stack));
    let Place(selection) = parse("place functions=none tree=1") else {
        panic!()
    };
    assert_eq!(
        selection.functions().count() + selection.modules().count(),
        0
    );
}

#[test]
fn commands_that_are_refused() {
    let refused = |line: &str| Command::parse(line).unwrap_err().to_string();
    for (line, part) in [
        ("", "functions, place"),
        ("go", "'go' is no command"),
        ("status now", "'now' is no word"),
        ("place", "at least one of module="),
        ("place module=", "1 to 4 names"),
        ("place module=a,b,c,d,e", "1 to 4 names"),
        ("place module=a module=b", "twice"),
        ("place module=a colour=red", "'colour=red' is no word"),
        ("place module=a functions=", "classes or functions"),
        ("place tree=x", "'tree=x': expected a number"),
        ("place device=8", "MAJOR:MINOR"),
        ("place device=4096:0", "MAJOR:MINOR"),
        ("place device=8:0 op=trim", "read, write, flush or discard"),
        ("place device=8:0 status=bad", "ioerr"),
        ("place module=a context=all", "site or stack"),
        ("place module=a return=f", "FUNCTION:VALUE"),
        ("place module=a return=f:NULL", "FUNCTION:VALUE"),
        ("place module=a return=:1", "FUNCTION:VALUE"),
        ("arm", "discover, one ID"),
        ("arm two", "'two' is no mode"),
        ("arm one", "the id of a point"),
        ("arm one 12", "16 hexadecimal digits"),
        ("arm one 0000000000000000", "16 hexadecimal digits"),
        ("arm one +00000000000000a", "16 hexadecimal digits"),
        ("arm one 0000000000000abc limit=1", "'limit=1' is no word"),
        ("arm one 0000000000000abc hit=0", "a number above 0"),
        ("arm one 0000000000000abc hit=1 hit=1", "twice"),
        ("arm nth 0", "a number above 0"),
        ("arm nth", "expected a number"),
        ("arm random 0 seed=1", "1 to 100 percent"),
        ("arm random 5", "seed=N"),
    ] {
        let why = refused(line);
        assert!(why.contains(part) && !why.contains('\n'), "{line}: {why}");
    }
    let many = "return=f:1 ".repeat(MAX_NAMED + 1);
    let line = format!("place module=a {many}");
    assert_eq!(Command::parse(&line), Err(CommandError::TooMany));
}

#[test]
fn a_value_suits_a_type() {
    use Returns::{Bool, Pointer, Signed, Unsigned};
    for (value, returns, register) in [
        (Value::Null, Pointer, Some(0)),
        (Value::Number(-12), Pointer, Some(-12_i64 as u64)),
        (Value::Number(1), Pointer, None),
        (Value::Number(-4096), Pointer, None),
        (Value::Null, Signed(4), None),
        (Value::Number(-5), Signed(4), Some(-5_i64 as u64)),
        (Value::Number(i64::MAX), Signed(4), None),
        (Value::Number(i64::MIN), Signed(8), Some(1 << 63)),
        (Value::Number(-1), Unsigned(4), None),
        (Value::Number(0xffff_ffff), Unsigned(4), Some(0xffff_ffff)),
        (Value::Number(256), Unsigned(1), None),
        (Value::Bool(true), Bool, Some(1)),
        (Value::Number(1), Bool, None),
        (Value::Bool(true), Signed(4), None),
    ] {
        assert_eq!(value.register(returns), register, "{value} as {returns:?}");
    }
}

proptest! {
    #[test]
    fn any_line_is_answered(line in "[ -~]{0,60}|(place|arm) [a-z=:,0-9 -]{0,60}") {
        if let Err(why) = Command::parse(&line) {
            prop_assert!(!why.to_string().is_empty());
        }
    }
}
