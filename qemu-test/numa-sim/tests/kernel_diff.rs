// SPDX-License-Identifier: GPL-2.0

//! Tests that the model and the C code of `kernel/sched/fair.c` return the same answers to the same
//! calls on the same machines.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tackle_core::numa::policy::Kind;
use tackle_numa_sim::kernel::{Cpu, Group, Kernel, Nodes, Task};

/// The number of cases for each call.
const CASES: usize = 2_000;

/// A generator of random numbers.
struct Random(TestRng);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0.random_range(0..limit)
    }

    fn one_in(&mut self, number: i64) -> bool {
        self.below(number) == 0
    }
}

const RING: [u8; 16] = [
    10, 20, 30, 20, 20, 10, 20, 30, 30, 20, 10, 20, 20, 30, 20, 10,
];

fn distances(random: &mut Random) -> (usize, Vec<u8>) {
    match random.below(4) {
        0 => {
            let nodes = 2 + random.below(3) as usize;
            let far = |i: usize| if i / nodes == i % nodes { 10 } else { 20 };
            (nodes, (0..nodes * nodes).map(far).collect())
        }
        1 => (4, RING.to_vec()),
        // The other kinds are two or four boxes of two or three nodes.
        kind => {
            let size = 2 + random.below(2) as usize;
            let nodes = size * if kind == 2 { 2 } else { 4 };
            let far = |i: usize| {
                let (a, b) = (i / nodes, i % nodes);
                match (a == b, a / size == b / size) {
                    (true, _) => 10,
                    (_, true) => 15,
                    _ if a / size / 2 == b / size / 2 => 20,
                    _ => 40,
                }
            };
            (nodes, (0..nodes * nodes).map(far).collect())
        }
    }
}

fn counts(random: &mut Random, nodes: usize) -> Vec<[i64; 2]> {
    let mut count = || {
        if random.one_in(3) {
            0
        } else {
            random.below(1000)
        }
    };
    (0..nodes).map(|_| [count(), count()]).collect()
}

fn machine(random: &mut Random) -> Kernel {
    let (count, distances) = distances(random);
    let per_node = 1 + random.below(4) as usize;
    let mut cpus = Vec::new();
    let mut of_node = Vec::new();
    for node in 0..count {
        let number = if node > 0 && random.one_in(8) {
            0
        } else {
            per_node
        };
        of_node.push((cpus.len()..cpus.len() + number).collect());
        cpus.extend((0..number).map(|_| Cpu {
            node,
            ..Cpu::default()
        }));
    }
    let has_memory = (0..count).map(|_| !random.one_in(10)).collect();
    let nodes = Nodes::new(distances, of_node, has_memory);
    let mut kernel = Kernel {
        nodes,
        cpus,
        tasks: Vec::new(),
        groups: Vec::new(),
        imbalance_pct: 117,
        imb_numa_nr: 1 + random.below(3),
        distance_of_previous: cfg!(distance_of_previous),
    };
    let group_count = random.below(4) as usize;
    kernel.groups = vec![Group::new(count); group_count];
    let task_count = 1 + random.below(2 * kernel.cpus.len() as i64);
    for _ in 0..task_count {
        add_task(&mut kernel, random);
    }
    for group in &mut kernel.groups {
        let by_cpu = |node| group.faults_cpu(node);
        group.max_faults_cpu = (0..count).map(by_cpu).max().unwrap_or(0);
        group.active_nodes = 1 + random.below(3);
    }
    kernel
}

fn add_task(kernel: &mut Kernel, random: &mut Random) {
    let count = kernel.nodes.count;
    let index = kernel.tasks.len();
    let cpu = random.below(kernel.cpus.len() as i64) as usize;
    let mut task = Task::new(count, cpu);
    task.memory = counts(random, count);
    task.by_cpu = counts(random, count);
    task.memory_now = counts(random, count);
    task.by_cpu_now = counts(random, count);
    // A window ends only after a fault.
    task.memory_now[0][1] += 1;
    task.total = task.memory.iter().flatten().sum();
    task.load = if random.one_in(3) {
        random.below(1024)
    } else {
        1024
    };
    task.locality = [random.below(1000), 1 + random.below(1000), 0];
    task.locality[2] = if random.one_in(8) { 5 } else { 0 };
    task.period = 100 + random.below(60_000);
    task.scans = random.below(8);
    task.rss = random.below(1 << 20);
    if random.one_in(6) {
        task.allowed = (0..kernel.cpus.len()).map(|_| random.one_in(2)).collect();
        task.allowed[cpu] = true;
    }
    let with_cpus: Vec<_> = kernel.nodes.with_cpus().collect();
    if !random.one_in(8) {
        task.preferred = Some(with_cpus[random.below(with_cpus.len() as i64) as usize]);
    }
    if !kernel.groups.is_empty() && !random.one_in(3) {
        let number = random.below(kernel.groups.len() as i64) as usize;
        task.group = Some(number);
        let group = &mut kernel.groups[number];
        group.tasks += 1;
        group.total += task.total;
        for node in 0..count {
            for private in 0..2 {
                group.memory[node][private] += task.memory[node][private];
                group.by_cpu[node][private] += task.by_cpu[node][private];
            }
        }
    }
    let rq = &mut kernel.cpus[cpu];
    rq.running += 1;
    rq.load += task.load;
    rq.runnable += task.load;
    rq.util = (rq.util + task.load).min(1024);
    if rq.current.is_none() || random.one_in(2) {
        rq.current = Some(index);
    }
    kernel.tasks.push(task);
}

/// The input or output of the harness, or a part of it.
#[derive(Default)]
struct Numbers(Vec<u8>);

impl Numbers {
    fn put(&mut self, number: i64) {
        self.0.extend(number.to_le_bytes());
    }

    fn put_all(&mut self, numbers: impl IntoIterator<Item = i64>) {
        numbers.into_iter().for_each(|number| self.put(number));
    }

    fn put_types(&mut self, types: &[[i64; 2]]) {
        self.put_all(types.iter().flatten().copied());
    }

    fn put_option(&mut self, number: Option<usize>) {
        self.put(number.map_or(-1, |number| number as i64));
    }

    fn put_bits(&mut self, bits: impl IntoIterator<Item = bool>) {
        let bits = bits.into_iter().enumerate();
        self.put(bits.fold(0, |mask, (index, bit)| mask | (i64::from(bit) << index)));
    }

    fn machine(&mut self, kernel: &Kernel) {
        let nodes = &kernel.nodes;
        self.put(nodes.count as i64);
        self.put_all(nodes.distances.iter().map(|&distance| distance.into()));
        self.put(nodes.farthest.into());
        self.put(match nodes.kind {
            Kind::Direct => 0,
            Kind::GluelessMesh => 1,
            Kind::Backplane => 2,
        });
        self.put_bits(nodes.has_memory.iter().copied());
        self.put_all([kernel.imbalance_pct, kernel.imb_numa_nr]);
        self.put(kernel.groups.len() as i64);
        for group in &kernel.groups {
            self.put_all([
                group.tasks,
                group.active_nodes,
                group.max_faults_cpu,
                group.total,
            ]);
            self.put_types(&group.memory);
            self.put_types(&group.by_cpu);
        }
        self.put(kernel.tasks.len() as i64);
        for task in &kernel.tasks {
            self.put(task.cpu as i64);
            self.put_bits((0..kernel.cpus.len()).map(|cpu| task.may_run(cpu)));
            self.put(task.load);
            self.put_option(task.preferred);
            self.put_option(task.group);
            self.put(task.total);
            for types in [
                &task.memory,
                &task.by_cpu,
                &task.memory_now,
                &task.by_cpu_now,
            ] {
                self.put_types(types);
            }
            self.put_all(task.locality);
            self.put_all([task.period, task.scans, task.rss, RUNTIME, ELAPSED]);
        }
        self.put(kernel.cpus.len() as i64);
        for cpu in &kernel.cpus {
            self.put_all([
                cpu.node as i64,
                cpu.load,
                cpu.runnable,
                cpu.util,
                cpu.running as i64,
            ]);
            self.put_option(cpu.current);
        }
    }
}

/// The running time of a task since its last window, and the elapsed time, in nanoseconds.
const RUNTIME: i64 = 700_000_000;
const ELAPSED: i64 = 1_000_000_000;

fn answers(input: Vec<u8>) -> Vec<i64> {
    let Some(program) = option_env!("FAIR_HARNESS") else {
        panic!("built without TACKLE_KERNEL_SRC");
    };
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the harness runs");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    let mut stdout = child.stdout.take().expect("stdout is a pipe");
    stdout.read_to_end(&mut output).expect("the harness writes");
    let status = child.wait().expect("the harness ends");
    assert!(status.success(), "the harness: {status}");
    writer
        .join()
        .expect("no panic")
        .expect("the harness reads all");
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    output.chunks_exact(8).map(number).collect()
}

/// Makes random cases, gets the answers of the model and of the harness, and compares them.
fn compare(
    seed: u8,
    call: i64,
    mut ask: impl FnMut(&mut Kernel, usize, &mut Random, &mut Numbers) -> Numbers,
) -> Vec<i64> {
    let mut random = Random(TestRng::from_seed(RngAlgorithm::XorShift, &[seed; 16]));
    let mut input = Numbers::default();
    let mut cases = Vec::new();
    for _ in 0..CASES {
        let mut kernel = machine(&mut random);
        let task = random.below(kernel.tasks.len() as i64) as usize;
        if kernel.tasks[task].preferred.is_none() {
            // The kernel migrates only tasks that have a preferred node.
            kernel.tasks[task].preferred = kernel.nodes.with_cpus().last();
        }
        input.put(call);
        input.machine(&kernel);
        input.put(task as i64);
        let before = kernel.clone();
        let expected = ask(&mut kernel, task, &mut random, &mut input);
        cases.push((before, task, expected));
    }
    input.put(0);
    let all = answers(input.0);
    let mut rest = all.as_slice();
    for (number, (kernel, task, expected)) in cases.into_iter().enumerate() {
        let expected: Vec<_> = expected
            .0
            .chunks_exact(8)
            .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let (answer, others) = rest.split_at(expected.len());
        rest = others;
        assert_eq!(
            expected, answer,
            "case {number}, task {task} of {kernel:#?}"
        );
    }
    assert!(rest.is_empty());
    all
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "needs TACKLE_KERNEL_SRC")]
fn tasks_go_where_the_kernel_sends_them() {
    let mut moved = 0;
    compare(1, 1, |kernel, task, _, _| {
        let mut answer = Numbers::default();
        let migration = kernel.migrate(task);
        moved += usize::from(migration.is_some());
        answer.put_option(migration.map(|migration| migration.cpu));
        answer.put_option(migration.and_then(|migration| migration.swapped));
        answer.put_option(kernel.tasks[task].preferred);
        answer
    });
    assert!(
        moved > CASES / 20,
        "only {moved} of {CASES} cases move a task"
    );
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "needs TACKLE_KERNEL_SRC")]
fn windows_close_as_in_the_kernel() {
    compare(2, 2, |kernel, task, _, _| {
        kernel.placement(task, RUNTIME, ELAPSED);
        let task = &kernel.tasks[task];
        let mut answer = Numbers::default();
        answer.put_option(task.preferred);
        answer.put_all([task.total, task.period, task.period_max]);
        for types in [
            &task.memory,
            &task.by_cpu,
            &task.memory_now,
            &task.by_cpu_now,
        ] {
            answer.put_types(types);
        }
        if let Some(group) = task.group {
            let group = &kernel.groups[group];
            answer.put_all([group.active_nodes, group.max_faults_cpu, group.total]);
            answer.put_types(&group.memory);
            answer.put_types(&group.by_cpu);
        }
        answer
    });
}

#[test]
#[cfg_attr(not(have_kernel_src), ignore = "needs TACKLE_KERNEL_SRC")]
fn pages_move_as_in_the_kernel() {
    let all = compare(3, 3, |kernel, task, random, input| {
        let source = random.below(kernel.nodes.count as i64) as usize;
        let mut cpu = || random.below(kernel.cpus.len() as i64) as usize;
        let (target, last_cpu) = (cpu(), cpu());
        let last = match random.below(3) {
            0 => None,
            1 => Some(task),
            _ => Some(random.below(kernel.tasks.len() as i64) as usize),
        };
        input.put_all([source as i64, target as i64]);
        input.put_option(last);
        input.put(last_cpu as i64);
        let last = last.map(|task| (task, last_cpu));
        let mut answer = Numbers::default();
        answer.put(kernel.should_migrate(task, source, target, last).into());
        answer
    });
    let moved = all.iter().filter(|&&answer| answer == 1).count();
    assert!(
        moved > CASES / 10 && moved < CASES * 9 / 10,
        "{moved} of {CASES}"
    );
}
