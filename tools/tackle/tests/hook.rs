// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle hook` with a fake module, whose files are in a folder.

mod fake;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use fake::{error, get, put, Fake};
use ratatui::backend::TestBackend;
use ratatui::Terminal;
use tackle_cli::hook::add::NewHook;
use tackle_cli::hook::watch::{lines, plain, rows};
use tackle_cli::hook::{list, screen, Hooks};

const COUNT: &str = "vfs_read_count vfs_read count calls=12 missed=0 trampoline=ftrace";
const LATENCY: &str =
    "vfs_write_latency vfs_write latency calls=3 missed=1 recursion=1 pid=7 cpu=0-3 trampoline=fgraph";

/// The command line of `tackle hook add`.
#[derive(Debug, Parser)]
struct Add {
    #[command(flatten)]
    request: NewHook,
}

fn request(words: &str) -> NewHook {
    let words = std::iter::once("add").chain(words.split(' '));
    Add::try_parse_from(words).unwrap().request
}

fn folder(fake: &Fake) -> PathBuf {
    fake.roots.debugfs().join("tackle/hooks")
}

/// Creates a fake module with two hooks.
fn fake() -> Fake {
    let fake = Fake::new();
    let folder = folder(&fake);
    for file in ["add", "del", "error"] {
        put(folder.join(file), "");
    }
    put(folder.join("list"), &format!("{COUNT}\n{LATENCY}\n"));
    for (hook, file, text) in [
        ("vfs_read_count", "calls", "12"),
        ("vfs_read_count", "recursion", "0"),
        ("vfs_read_count", "no_room", "0"),
        ("vfs_read_count", "function", "vfs_read"),
        ("vfs_read_count", "kind", "count"),
        ("vfs_write_latency", "calls", "3"),
        ("vfs_write_latency", "recursion", "1"),
        ("vfs_write_latency", "no_room", "0"),
        ("vfs_write_latency", "function", "vfs_write"),
        ("vfs_write_latency", "kind", "latency"),
        ("vfs_write_latency", "histogram", "512 1024 1\n4096 8192 20"),
    ] {
        put(folder.join(hook).join(file), &format!("{text}\n"));
    }
    fake
}

#[test]
fn what_is_missing_is_told_with_its_remedy() {
    let fake = Fake::new();
    let text = error(Hooks::open(&fake.roots));
    assert!(
        text.starts_with("debugfs is not mounted: mount -t debugfs"),
        "{text}"
    );
    fs::create_dir(fake.roots.debugfs().join("tracing")).unwrap();
    let text = error(Hooks::open(&fake.roots));
    assert!(text.ends_with("modprobe tackle_hooks"), "{text}");
}

#[test]
fn a_hook_is_one_line() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    let added = hooks.add(&request("ext4:do_it.part.0 latency")).unwrap();
    assert_eq!(added.names, ["ext4_do_it.part.0_latency"]);
    assert_eq!(added.warning, None);
    let line = get(folder(&fake).join("add"));
    assert_eq!(line, "ext4:do_it.part.0 latency");
}

const KALLSYMS: &str = "\
ffffffff81000000 t before
ffffffff81000010 t show_signal.part.0
ffffffff81000020 T both
ffffffff81000030 t both.isra.0
ffffffff81000040 t twice
ffffffff81000050 t middle
ffffffff81000060 t twice
";

#[test]
fn clones_are_told_and_hooked() {
    let fake = fake();
    put(fake.roots.proc.join("kallsyms"), KALLSYMS);
    let hooks = Hooks::open(&fake.roots).unwrap();
    let added = hooks.add(&request("both count")).unwrap();
    assert_eq!(added.names, ["both_count"]);
    assert_eq!(
        added.warning.unwrap(),
        "some calls of both are not seen: it has clones, both.isra.0 (--clones)"
    );
    let added = hooks.add(&request("both count --clones --name b")).unwrap();
    assert_eq!(added.names, ["b", "b.isra.0"]);
    assert_eq!(added.warning, None);
    let line = get(folder(&fake).join("add"));
    assert!(line.ends_with("both.isra.0 count name=b.isra.0"), "{line}");
    // This function has no symbol itself, so only its clone is hooked.
    let added = hooks.add(&request("show_signal count --clones")).unwrap();
    assert_eq!(added.names, ["show_signal.part.0_count"]);
}

/// Compiles a function that is inlined into four other functions, with debug information.
fn compile(to: &PathBuf, options: &[&str]) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let source = to.with_extension("c");
    let text = "extern int work(int);
        static inline __attribute__((always_inline)) int both(int n) { return work(n) + n; }
        static inline __attribute__((always_inline)) int gone(int n) { return work(both(n)); }
        int one(int n) { return both(n); }
        int two(int n) { if (n) { int m = both(n); return m; } return 2; }
        int three(int n) { return both(n) + both(n + 1); }
        int four(int n) { return gone(n); }
        int other(int n) { return work(n); }";
    fs::write(&source, text).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-g", "-O2", "-c", "-o"]).arg(to).args(options);
    assert!(cc.arg(source).status().unwrap().success());
}

#[test]
fn a_warning_names_the_functions_into_which_it_is_inlined() {
    let fake = fake();
    put(fake.roots.proc.join("kallsyms"), KALLSYMS);
    put(fake.roots.proc.join("sys/kernel/osrelease"), "7.3.4\n");
    let hooks = Hooks::open(&fake.roots).unwrap();
    let vmlinux = fake.roots.root.join("usr/lib/debug/boot/vmlinux-7.3.4");
    for options in [&["-gdwarf-5"][..], &["-gdwarf-4"], &["-gdwarf-5", "-gz"]] {
        compile(&vmlinux, options);
        let added = hooks.add(&request("both count --clones")).unwrap();
        assert_eq!(
            added.warning.unwrap(),
            "some calls of both are not seen: \
             the compiler has inlined it into four, one, three and 1 more"
        );
    }
    let added = hooks.add(&request("middle count")).unwrap();
    assert_eq!(added.warning, None);
    // The debug information of a module is found by the list of modules.
    put(
        fake.roots.root.join("lib/modules/7.3.4/modules.dep"),
        "kernel/fs/a/a-b.ko.xz: kernel/lib/c.ko.xz\n",
    );
    let module = "usr/lib/debug/lib/modules/7.3.4/kernel/fs/a/a-b.ko";
    compile(&fake.roots.root.join(module), &[]);
    put(folder(&fake).join("error"), "a_b:gone: no such function\n");
    fs::remove_file(folder(&fake).join("add")).unwrap();
    assert_eq!(
        error(hooks.add(&request("a_b:gone count"))),
        "a_b:gone: no such function; the compiler has inlined it into four"
    );
    // A damaged file is reported.
    put(vmlinux, "no ELF");
    let text = error(hooks.add(&request("gone count")));
    assert!(text.contains("it may be inlined: "), "{text}");
}

#[test]
fn what_is_refused_has_its_alternatives() {
    let fake = fake();
    put(fake.roots.proc.join("kallsyms"), KALLSYMS);
    let hooks = Hooks::open(&fake.roots).unwrap();
    put(folder(&fake).join("error"), "refused\n");
    fs::remove_file(folder(&fake).join("add")).unwrap();
    assert_eq!(
        error(hooks.add(&request("show_signal count"))),
        "refused; the compiler has made clones of it: show_signal.part.0 (--clones)"
    );
    assert_eq!(
        error(hooks.add(&request("twice count"))),
        "refused; --position 1 in vmlinux between both.isra.0 and middle, \
         or 2 in vmlinux behind middle"
    );
    assert_eq!(error(hooks.add(&request("before count"))), "refused");
}

#[test]
fn options_become_filters() {
    let words = "ext4:f return --name r --pid 7 --tgid 6 --tree 1 --cgroup /a/b --cpu 0-3,6 \
                 --position 2 --returns ptr --when-loaded";
    assert_eq!(
        request(words).line().unwrap(),
        "ext4:f return name=r pid=7 tgid=6 tree=1 cgroup=/a/b cpu=0-3,6 position=2 returns=ptr \
         when_loaded"
    );
    for wrong in [
        "f guess",
        "f count --pid x",
        "f count --pid -1",
        "f count --position 0",
    ] {
        let words = std::iter::once("add").chain(wrong.split(' '));
        assert!(Add::try_parse_from(words).is_err(), "{wrong}");
    }
}

#[test]
fn a_word_is_one_word() {
    let mut request = request("vfs_read count");
    request.cpu = Some("0 pid=1".into());
    assert!(error(request.line()).contains("CPUs"), "{request:?}");
    request.cpu = None;
    request.name = Some("a\nb".into());
    assert!(error(request.line()).contains("name"), "{request:?}");
    request.name = None;
    request.function = String::new();
    assert!(error(request.line()).contains("function"), "{request:?}");
}

#[test]
fn the_modules_own_error_is_told() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    put(folder(&fake).join("error"), "no function vfs_raed\n");
    fs::remove_file(folder(&fake).join("add")).unwrap();
    assert_eq!(
        error(hooks.add(&request("vfs_raed count"))),
        "no function vfs_raed"
    );
    fs::write(folder(&fake).join("error"), "").unwrap();
    let text = error(hooks.add(&request("vfs_raed count")));
    assert!(
        text.contains("hooks/add refuses it: No such file"),
        "{text}"
    );
}

#[test]
fn a_hook_is_removed_by_its_name() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    hooks.del("vfs_read_count").unwrap();
    assert_eq!(get(folder(&fake).join("del")), "vfs_read_count");
    assert!(error(hooks.del("a b")).contains("\"a b\""));
}

#[test]
fn hooks_are_listed() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap().list().unwrap();
    let text = list(&hooks);
    let words: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words[1],
        ["vfs_read_count", "vfs_read", "count", "12", "0", "ftrace"]
    );
    assert_eq!(
        words[2][4..],
        ["1", "(recursion", "1)", "cpu=0-3", "pid=7", "fgraph"]
    );
    let json = serde_json::to_value(&hooks).unwrap();
    assert_eq!(
        (json[0]["calls"].as_u64(), json[1]["missed"].as_u64()),
        (Some(12), Some(1))
    );
    assert_eq!(json[1]["filters"]["cpu"], "0-3");
    put(folder(&fake).join("list"), "one two\n");
    let text = error(Hooks::open(&fake.roots).unwrap().list());
    assert_eq!(text, "list has 'one two'");
}

#[test]
fn plain_lines_have_all_numbers() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    let rows = rows(&hooks, &[], &[]).unwrap();
    assert_eq!(
        plain(&rows[0]),
        "vfs_read_count vfs_read count calls=12 per-second=- missed=0"
    );
    assert_eq!(
        plain(&rows[1]),
        format!(
            "vfs_write_latency vfs_write latency calls=3 per-second=- missed=1 recursion=1\n  \
             \x20512 ns - 1.02 us   1  {}\n  4.10 us - 8.19 us  20  {}",
            "#".repeat(2),
            "#".repeat(40)
        )
    );
}

#[test]
fn returned_values_keep_their_order() {
    let fake = fake();
    let hook = folder(&fake).join("vfs_read_count");
    put(hook.join("values"), "0 9\n-22 3\nother 1\n");
    put(hook.join("returns"), "s32\n");
    let reading = Hooks::open(&fake.roots)
        .unwrap()
        .read("vfs_read_count")
        .unwrap();
    let bars: Vec<_> = reading
        .bars
        .iter()
        .map(|bar| (bar.label.as_str(), bar.count))
        .collect();
    assert_eq!(bars, [("0", 9), ("-22 (-EINVAL)", 3), ("other", 1)]);
}

#[test]
fn the_last_bucket_has_no_end() {
    let fake = fake();
    let hook = folder(&fake).join("vfs_write_latency");
    for high in ["18446744073709551616", "inf"] {
        let line = format!("{} {high} 1\n", 1u64 << 63);
        put(hook.join("histogram"), &line);
        let reading = Hooks::open(&fake.roots).unwrap().read("vfs_write_latency");
        assert_eq!(reading.unwrap().bars[0].label, "from 9223372037 s");
    }
}

#[test]
fn rates_are_of_the_time_between_two_looks() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    let names = ["vfs_read_count".to_owned()];
    let first = rows(&hooks, &names, &[]).unwrap();
    put(folder(&fake).join("vfs_read_count/calls"), "112\n");
    let second = rows(&hooks, &names, &first).unwrap();
    let seconds = (second[0].reading.at - first[0].reading.at).as_secs_f64();
    let calls = second[0].rate.unwrap() * seconds;
    assert!((calls - 100.0).abs() < 0.001, "{calls}");
    // A smaller count means that a new hook has the old name, so there is no rate.
    put(folder(&fake).join("vfs_read_count/calls"), "1\n");
    assert_eq!(rows(&hooks, &names, &second).unwrap()[0].rate, None);
}

/// A writer that fails after some lines.
struct Head(usize, Vec<u8>);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1.iter().filter(|byte| **byte == b'\n').count() == self.0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_end_with_their_reader() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    let names = ["vfs_read_count".to_owned()];
    let mut head = Head(3, Vec::new());
    lines(&hooks, &names, Duration::ZERO, &mut head).unwrap();
    let text = String::from_utf8(head.1).unwrap();
    let (first, last) = (text.lines().next().unwrap(), text.lines().last().unwrap());
    assert_eq!(text.lines().count(), 3);
    assert!(first.contains("per-second=- "), "{text}");
    assert!(last.contains("per-second=0.0 "), "{text}");
}

#[test]
fn an_unknown_hook_is_answered_with_the_known_ones() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    for name in ["x", "../hooks/vfs_read_count"] {
        let text = error(hooks.read(name));
        assert!(
            text.ends_with("; there are: vfs_read_count, vfs_write_latency"),
            "{text}"
        );
    }
}

#[test]
fn the_screen_shows_counters_and_bars() {
    let fake = fake();
    let hooks = Hooks::open(&fake.roots).unwrap();
    let rows = rows(&hooks, &[], &[]).unwrap();
    let mut terminal = Terminal::new(TestBackend::new(100, 12)).unwrap();
    terminal.draw(|frame| screen::draw(frame, &rows)).unwrap();
    let text = terminal.backend().to_string();
    for part in [
        "PER SECOND",
        "vfs_read_count",
        "4.10 us - 8.19 us",
        "█",
        "q: end",
    ] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
}
