// SPDX-License-Identifier: GPL-2.0

//! Tests how `scripts/mirror.sh` and `scripts/linux.sh` find Debian's archive and the pinned kernel
//! in it. The tests use the real apt. Its configuration and the archives are folders of the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// An apt configuration without lists, some archives, and a checkout of the scripts.
struct Scene {
    dir: TempDir,
}

const DEBIAN: &str = "Origin: Debian\nLabel: Debian\n";
const OTHER: &str = "Origin: Other\nLabel: Other\n";

const PAST: &str = "Sat, 01 Jan 2022 00:00:00 UTC";

/// A pinned version that is in no archive.
const GONE: &str = "\
DEBIAN_SUITE=trixie
LINUX_SUITE=trixie-backports
LINUX_SERIES=7.3
LINUX_VERSION=7.3.1-9~bpo13+1
LINUX_RELEASE=7.3.1+deb13-amd64
";

/// Versions of two flavours. Only one flavour has the newest version.
const KERNELS: &[(&str, &str)] = &[
    ("linux-source-7.3", "7.3.6-1~bpo13+1"),
    ("linux-source-7.3", "7.3.5-1~bpo13+1"),
    ("linux-headers-7.3.6+deb13-amd64", "7.3.6-1~bpo13+1"),
    ("linux-headers-7.3.6+deb13-cloud-amd64", "7.3.6-1~bpo13+1"),
    ("linux-headers-7.3.5+deb13-amd64", "7.3.5-1~bpo13+1"),
    ("linux-headers-7.3.5+deb13-rt-amd64", "7.3.5-1~bpo13+1"),
];

impl Scene {
    fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for folder in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "cache",
        ] {
            fs::create_dir_all(scene.path(folder)).unwrap();
        }
        // By default, apt downloads as another user, who could not read these folders.
        let conf = format!(
            "Dir \"{}\";\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n",
            scene.dir.path().display()
        );
        scene.write("apt.conf", &conf);
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
        for script in ["lib.sh", "linux.sh", "mirror.sh"] {
            fs::create_dir_all(scene.path("top/scripts")).unwrap();
            let copy = scene.path(&format!("top/scripts/{script}"));
            fs::copy(scripts.join(script), copy).unwrap();
        }
        scene.write("top/scripts/versions", GONE);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns the URI of an archive.
    fn uri(&self, name: &str) -> String {
        format!("file:{}", self.path(name).display())
    }

    /// Creates a suite of an archive. `fields` are lines of its Release file.
    fn suite(&self, archive: &str, suite: &str, fields: &str, packages: &[(&str, &str)]) {
        let folder = format!("{archive}/dists/{suite}");
        let mut text = String::new();
        // apt keeps no list of an empty archive, so add a package.
        for (name, version) in [("any", "1")].iter().chain(packages) {
            text += &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\n\
                 Maintainer: Nobody <nobody@example.com>\nDescription: none\n\
                 Filename: pool/{name}_{version}.deb\nSize: 1\nSHA256: {:064}\n\n",
                0
            );
        }
        let index = "main/binary-amd64/Packages";
        self.write(&format!("{folder}/{index}"), &text);
        let output = Command::new("sha256sum")
            .arg(self.path(&format!("{folder}/{index}")))
            .output()
            .unwrap();
        let sum = String::from_utf8(output.stdout).unwrap();
        let sum = sum.split(' ').next().unwrap();
        let release = format!(
            "{fields}Suite: {suite}\nCodename: {suite}\nComponents: main\n\
             Architectures: amd64\nDate: Fri, 31 Dec 2021 00:00:00 UTC\nSHA256:\n {sum} {} {index}\n",
            text.len()
        );
        self.write(&format!("{folder}/Release"), &release);
    }

    /// Runs a script of bash with the functions of `lib.sh` and `mirror.sh`.
    fn run(&self, script: &str) -> Output {
        let script = format!(". scripts/lib.sh; . scripts/mirror.sh; {script}");
        let mut command = Command::new("bash");
        command.args(["-c", &script]);
        self.output(command)
    }

    /// Runs `linux.sh resolve`.
    fn resolve(&self) -> Output {
        let mut command = Command::new(self.path("top/scripts/linux.sh"));
        command.arg("resolve");
        self.output(command)
    }

    fn output(&self, mut command: Command) -> Output {
        command.current_dir(self.path("top"));
        command.env("APT_CONFIG", self.path("apt.conf"));
        command.env("TACKLE_CACHE", self.path("cache"));
        command.env_remove("TACKLE_MIRROR");
        command.output().unwrap()
    }

    /// Returns the kernel's version and release that the scripts use now.
    fn kernel(&self) -> String {
        stdout(&self.run("echo $LINUX_VERSION $LINUX_RELEASE"))
    }

    /// Creates Debian's archive with the kernels `packages`, with all of their packages for
    /// headers.
    fn kernels(&self, packages: &[(&str, &str)]) {
        self.kernels_with(packages, |_, _| true);
    }

    /// Does the same, but leaves out those packages of a kernel for which `has` returns false.
    fn kernels_with(&self, packages: &[(&str, &str)], has: impl Fn(&str, &str) -> bool) {
        let mut all: Vec<_> = packages
            .iter()
            .map(|(name, v)| (name.to_string(), *v))
            .collect();
        for (name, version) in packages {
            if let Some(release) = name.strip_prefix("linux-headers-") {
                let parts = ["binary", "modules", "base"].iter();
                let parts = parts.filter(|part| has(part, version));
                all.extend(parts.map(|part| (format!("linux-{part}-{release}"), *version)));
            }
        }
        let all: Vec<_> = all.iter().map(|(name, v)| (name.as_str(), *v)).collect();
        self.suite("debian", "trixie-backports", DEBIAN, &all);
        let row = format!(
            "deb [trusted=yes] {} trixie-backports main\n",
            self.uri("debian")
        );
        self.write("etc/apt/sources.list", &row);
    }

    /// Removes the archive, as if there were no network.
    fn unplug(&self) {
        fs::remove_dir_all(self.path("debian")).unwrap();
    }
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// Returns the error of a script that must fail with one line.
fn error(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    let text = stderr(output);
    let errors: Vec<_> = text.lines().filter(|l| l.contains("error: ")).collect();
    let [line] = errors[..] else {
        panic!("expected one error, got {text}");
    };
    assert!(text.ends_with(line), "{text}");
    line.to_owned()
}

#[test]
fn a_mirror_is_found_without_lists() {
    let scene = Scene::new();
    scene.suite("debian", "trixie", DEBIAN, &[]);
    scene.suite("debian", "trixie-updates", DEBIAN, &[]);
    scene.suite("a-third-party", "any", OTHER, &[]);
    let text = format!(
        "# comment\nEnabled: no\nTypes: deb\nURIs: {off}\nSuites: trixie\nComponents: main\n\
         Trusted: yes\n\nTypes: deb deb-src\n# between\nURIs: {other} {debian}\n\
         Suites: trixie trixie-updates any\nComponents: main contrib\nTrusted: yes\n",
        off = scene.uri("off"),
        other = scene.uri("a-third-party"),
        debian = scene.uri("debian"),
    );
    scene.write("etc/apt/sources.list.d/debian.sources", &text);
    let output = scene.run("mirror");
    assert_eq!(stdout(&output), scene.uri("debian") + "/");
    assert_eq!(
        stderr(&output),
        "tackle: apt has no lists on this machine: apt-get update"
    );
    // Create apt's lists.
    let output = scene.run("mirror");
    assert_eq!(stdout(&output), scene.uri("debian") + "/");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_mirror_is_found_in_the_one_line_format() {
    let scene = Scene::new();
    scene.suite("debian", "trixie", DEBIAN, &[]);
    scene.suite("a-third-party", "any", OTHER, &[]);
    let (debian, other) = (scene.uri("debian"), scene.uri("a-third-party"));
    let text = format!(
        "# deb [trusted=yes] file:/no/such trixie main\n\
         deb-src [trusted=yes] {debian} trixie main\n\
         deb [arch=amd64 trusted=yes] {other} any main # a comment\n\
         deb [ arch=amd64  trusted=yes ] {debian} trixie contrib main\n"
    );
    scene.write("etc/apt/sources.list", &text);
    assert_eq!(stdout(&scene.run("mirror")), debian + "/");
}

#[test]
fn a_list_of_mirrors_is_read() {
    let scene = Scene::new();
    scene.suite("debian", "trixie", DEBIAN, &[]);
    let debian = scene.uri("debian");
    let list = format!("# mirrors\n{debian}\tpriority:1\nfile:/no/such\n");
    scene.write("mirrors.list", &list);
    let text = format!(
        "Types: deb\nURIs: mirror+{}\nSuites: trixie\nComponents: main\nTrusted: yes\n",
        scene.uri("mirrors.list")
    );
    scene.write("etc/apt/sources.list.d/debian.sources", &text);
    assert_eq!(stdout(&scene.run("mirror")), debian);
}

#[test]
fn a_mirror_that_is_named_needs_no_apt() {
    let scene = Scene::new();
    let output = scene.run("TACKLE_MIRROR=http://named.example/debian mirror");
    assert_eq!(stdout(&output), "http://named.example/debian");
    assert_eq!(stderr(&output), "");
}

#[test]
fn no_network_is_one_line() {
    let scene = Scene::new();
    // Nothing listens on the port `discard`.
    let row = "deb [trusted=yes] http://127.0.0.1:9/debian trixie main\n";
    scene.write("etc/apt/sources.list", row);
    let line = error(&scene.run("mirror"));
    assert!(line.contains("no network"), "{line}");
    assert!(line.contains("127.0.0.1"), "{line}");
    let line = error(&scene.run("TACKLE_MIRROR=http://127.0.0.1:9/debian sources_list trixie"));
    assert!(line.contains("no network"), "{line}");
    assert!(line.ends_with("http://127.0.0.1:9/debian"), "{line}");
    let line = error(&scene.resolve());
    assert!(line.contains("no network"), "{line}");
}

#[test]
fn a_machine_without_debian_is_told_of_tackle_mirror() {
    let scene = Scene::new();
    scene.suite("a-third-party", "any", OTHER, &[]);
    let row = format!(
        "deb [trusted=yes] {} any main\n",
        scene.uri("a-third-party")
    );
    scene.write("etc/apt/sources.list", &row);
    let line = error(&scene.run("mirror"));
    assert!(line.contains("TACKLE_MIRROR"), "{line}");
}

#[test]
fn a_derivative_takes_debians_own_archive() {
    let scene = Scene::new();
    let here = stdout(&scene.run("codename"));
    scene.suite("derivative", &here, OTHER, &[]);
    scene.suite("debian", "another", DEBIAN, &[]);
    let rows = format!(
        "deb [trusted=yes] {} {here} main\ndeb [trusted=yes] {} another main\n",
        scene.uri("derivative"),
        scene.uri("debian")
    );
    scene.write("etc/apt/sources.list", &rows);
    assert_eq!(stdout(&scene.run("mirror")), scene.uri("debian") + "/");
}

#[test]
fn a_suite_that_a_mirror_lacks_is_left_out() {
    let scene = Scene::new();
    let uri = scene.uri("debian");
    scene.write("debian/dists/sid/InRelease", "Origin: Debian\n");
    let output = scene.run(&format!("TACKLE_MIRROR={uri} sources_list sid sid-updates"));
    assert_eq!(stdout(&output), format!("deb {uri} sid main"));
    let line = error(&scene.run(&format!(
        "TACKLE_MIRROR={uri} sources_list sid $LINUX_SUITE"
    )));
    assert!(line.contains("no Debian trixie-backports"), "{line}");
}

#[test]
fn an_expired_repository_is_used_and_named() {
    let scene = Scene::new();
    let fields = format!("{DEBIAN}Valid-Until: {PAST}\n");
    scene.suite("debian", "trixie", &fields, &[]);
    let row = format!("deb [trusted=yes] {} trixie main\n", scene.uri("debian"));
    scene.write("etc/apt/sources.list", &row);
    let output = scene.run("mirror");
    assert_eq!(stdout(&output), scene.uri("debian") + "/");
    let text = stderr(&output);
    assert!(text.contains("expired, but used: file:"), "{text}");
}

#[test]
fn the_date_of_an_expired_suite_is_not_checked() {
    let scene = Scene::new();
    let uri = scene.uri("debian");
    scene.write("debian/dists/trixie/InRelease", "Origin: Debian\n");
    let old = format!("Origin: Debian\nValid-Until: {PAST}\n");
    scene.write("debian/dists/trixie-updates/InRelease", &old);
    let output = scene.run(&format!(
        "TACKLE_MIRROR={uri} sources_list trixie trixie-updates trixie-security"
    ));
    let rows =
        format!("deb {uri} trixie main\ndeb [check-valid-until=no] {uri} trixie-updates main");
    assert_eq!(stdout(&output), rows);
    let text = stderr(&output);
    assert!(
        text.contains(PAST) && text.ends_with("trixie-updates"),
        "{text}"
    );
}

#[test]
fn a_pin_that_is_in_the_archive_stays() {
    let scene = Scene::new();
    scene.kernels(&[
        ("linux-source-7.3", "7.3.1-9~bpo13+1"),
        ("linux-headers-7.3.1+deb13-amd64", "7.3.1-9~bpo13+1"),
    ]);
    let output = scene.resolve();
    assert_eq!(stdout(&output), "");
    assert_eq!(stderr(&output), "");
    assert_eq!(scene.kernel(), "7.3.1-9~bpo13+1 7.3.1+deb13-amd64");
}

#[test]
fn the_newest_of_the_series_is_used_in_place_of_a_pin_that_never_existed() {
    let scene = Scene::new();
    scene.kernels(KERNELS);
    let output = scene.resolve();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        stderr(&output),
        "tackle: linux 7.3.1-9~bpo13+1 has left the archive: \
         using 7.3.6-1~bpo13+1, the newest of series 7.3"
    );
    assert_eq!(scene.kernel(), "7.3.6-1~bpo13+1 7.3.6+deb13-amd64");
}

#[test]
fn a_kernel_whose_binary_is_not_signed_yet_is_passed_over() {
    let scene = Scene::new();
    let amd64 = ("linux-headers-7.3.5+deb13-amd64", "7.3.5-1~bpo13+1");
    assert!(KERNELS.contains(&amd64));
    scene.kernels_with(KERNELS, |part, version| {
        part != "binary" || !version.starts_with("7.3.6")
    });
    stdout(&scene.resolve());
    assert_eq!(scene.kernel(), "7.3.5-1~bpo13+1 7.3.5+deb13-amd64");
}

#[test]
fn runs_at_once_choose_one_after_the_other() {
    let scene = Scene::new();
    scene.kernels(KERNELS);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| scene.resolve())).collect();
        for run in runs {
            stdout(&run.join().unwrap());
        }
    });
    assert_eq!(scene.kernel(), "7.3.6-1~bpo13+1 7.3.6+deb13-amd64");
}

#[test]
fn the_flavour_of_the_pinned_kernel_is_kept() {
    let scene = Scene::new();
    let rt = GONE.replace("-amd64", "-rt-amd64");
    scene.write("top/scripts/versions", &rt);
    scene.kernels(KERNELS);
    stdout(&scene.resolve());
    assert_eq!(scene.kernel(), "7.3.5-1~bpo13+1 7.3.5+deb13-rt-amd64");
}

#[test]
fn what_is_in_the_cache_needs_no_archive() {
    let scene = Scene::new();
    scene.kernels(KERNELS);
    stdout(&scene.resolve());
    let folder = "echo $TACKLE_CACHE/linux-$(key $LINUX_VERSION $LINUX_RELEASE)";
    let made = stdout(&scene.run(folder));
    fs::create_dir(made).unwrap();
    scene.unplug();
    let output = scene.resolve();
    assert_eq!((stdout(&output), stderr(&output)), Default::default());
    assert_eq!(scene.kernel(), "7.3.6-1~bpo13+1 7.3.6+deb13-amd64");
    // The pinned kernel itself comes first.
    fs::create_dir(stdout(&scene.run(
        ". scripts/versions; echo $TACKLE_CACHE/linux-$(key $LINUX_VERSION $LINUX_RELEASE)",
    )))
    .unwrap();
    let output = scene.resolve();
    assert_eq!((stdout(&output), stderr(&output)), Default::default());
    assert_eq!(scene.kernel(), "7.3.1-9~bpo13+1 7.3.1+deb13-amd64");
}

#[test]
fn the_kernel_used_in_place_of_the_pinned_one_may_go_as_well() {
    let scene = Scene::new();
    scene.kernels(KERNELS);
    stdout(&scene.resolve());
    scene.kernels(&[
        ("linux-source-7.3", "7.3.7-1~bpo13+1"),
        ("linux-headers-7.3.7+deb13-amd64", "7.3.7-1~bpo13+1"),
    ]);
    stdout(&scene.resolve());
    assert_eq!(scene.kernel(), "7.3.7-1~bpo13+1 7.3.7+deb13-amd64");
}

#[test]
fn a_series_that_is_gone_is_an_error() {
    let scene = Scene::new();
    // This list is larger than the buffer of a pipe.
    let older: Vec<_> = (0..2000).map(|n| format!("7.4.1-{n}~bpo13+1")).collect();
    let mut packages = vec![
        ("linux-image-amd64", "7.4.2-1~bpo13+1"),
        ("linux-source-7.4", "7.4.2-1~bpo13+1"),
    ];
    packages.extend(older.iter().map(|v| ("linux-image-amd64", v.as_str())));
    scene.kernels(&packages);
    let line = error(&scene.resolve());
    assert!(line.contains("series 7.3 have left"), "{line}");
    assert!(line.contains("newest is 7.4.2-1~bpo13+1"), "{line}");
    assert!(line.contains("make pin"), "{line}");
    assert_eq!(scene.kernel(), "7.3.1-9~bpo13+1 7.3.1+deb13-amd64");
}
