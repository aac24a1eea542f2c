//! Job: hold the command line to what `--help` and docs/lb.md promise.
//! In: the program that cargo built, its parser. Out: failures.
//! Invariant: nothing is started that listens.

use std::path::PathBuf;
use std::process::{Command, Output};

use ringlet_lb::cli::{Invocation, parse};
use ringlet_lb::config::{Options, Source};
use ringlet_lb::model::{CheckKind, LogFormat, Mode};

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy/lb.toml")
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringlet-lb")).args(arguments).output().expect("it starts")
}

fn invocation(arguments: &str) -> Result<Invocation, String> {
    let words = std::iter::once("ringlet-lb").chain(arguments.split_whitespace());
    parse(words.map(Into::into)).map_err(|error| error.to_string())
}

fn options(arguments: &str) -> Options {
    match invocation(arguments) {
        Ok(Invocation::Run(Source::Options(options))) => options,
        other => panic!("{arguments}: {other:?}"),
    }
}

#[test]
fn a_first_run_needs_two_options() {
    let small = options("--listen :8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002");
    assert_eq!(small.listen, ["0.0.0.0:8080"]);
    assert_eq!(small.to, ["127.0.0.1:9001", "127.0.0.1:9002"]);
    assert_eq!((small.mode, small.balance, small.cores), (Mode::Http, "p2c", 0));
    assert_eq!((small.check, small.log, small.admin), (None, None, None));
    let full = options(
        "--listen a:1 --to unix:/b --mode tcp --balance source --check resp --admin :9 --cores 2 \
         --log json",
    );
    assert_eq!((full.mode, full.balance, full.cores), (Mode::Tcp, "source", 2));
    assert_eq!(full.check, Some(CheckKind::Resp { password: None }));
    assert_eq!((full.log, full.admin.as_deref()), (Some(LogFormat::Json), Some("0.0.0.0:9")));
}

#[test]
fn a_file_is_not_mistaken_for_a_command() {
    let file = |path: &str, cores| {
        Ok(Invocation::Run(Source::File { path: path.into(), cores, admin: None }))
    };
    assert_eq!(invocation("lb.toml"), file("lb.toml", None));
    assert_eq!(invocation("lb.toml --cores 4"), file("lb.toml", Some(4)));
    assert_eq!(invocation("./check"), file("./check", None));
    assert_eq!(invocation("-- check"), file("check", None));
    assert_eq!(invocation("check check"), Ok(Invocation::Check("check".into())));
    assert_eq!(invocation("preflight"), Ok(Invocation::Preflight));
    let typing_error = program(&["chek"]);
    assert_eq!(typing_error.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&typing_error.stderr),
        "chek: cannot read chek: No such file or directory (os error 2)\n\
         did you mean the command `ringlet-lb check`?\n"
    );
}

#[test]
fn what_cannot_be_right_is_refused_with_its_option() {
    for (arguments, message) in [
        (
            "--listen 8080 --to a:1",
            "invalid value '8080' for '--listen <ADDRESS>': \"8080\" has no port; an address is \
             written HOST:PORT",
        ),
        (
            "--listen :80 --to a:1 --balance roundrobin",
            "invalid value 'roundrobin' for '--balance <NAME>': no algorithm is called \
             \"roundrobin\"; did you mean `round-robin`?",
        ),
        (
            "--listen :80 --to a:1 --check health",
            "invalid value 'health' for '--check <PATH>': \"health\" is neither `tcp`, `resp` nor a \
             path",
        ),
        (
            "--listen :80 --to a:1 --cores many",
            "invalid value 'many' for '--cores <N>': not a number from 0 to 1024",
        ),
        ("--listen :80", "the following required arguments were not provided:\n  --to <ADDRESS>"),
        ("--cores 2", "either a FILE or --listen and --to are needed"),
        (
            "lb.toml --listen :80 --to a:1",
            "the argument '[FILE]' cannot be used with:\n  --listen <ADDRESS>\n  --to <ADDRESS>",
        ),
        ("check", "the following required arguments were not provided:\n  <FILE>"),
    ] {
        let error = invocation(arguments).expect_err(arguments);
        let expected = format!("error: {message}");
        assert!(error.starts_with(&expected), "{arguments}: {error}");
    }
}

#[test]
fn check_prints_what_a_file_means_and_that_means_the_same() {
    let path = example();
    let first = program(&["check", &path.to_string_lossy()]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let written = std::env::temp_dir().join(format!("ringlet-lb-{}.toml", std::process::id()));
    std::fs::write(&written, &first.stdout).expect("a file");
    let second = program(&["check", &written.to_string_lossy()]);
    std::fs::remove_file(&written).expect("an own file");
    assert_eq!(String::from_utf8_lossy(&first.stdout), String::from_utf8_lossy(&second.stdout));
}

#[test]
fn check_tells_every_mistake_and_fails() {
    let path = std::env::temp_dir().join(format!("ringlet-lb-wrong-{}.toml", std::process::id()));
    std::fs::write(&path, "[[listener]]\nbind = \"a\"\ndefault_pol = \"a\"\n").expect("a file");
    let output = program(&["check", &path.to_string_lossy()]);
    std::fs::remove_file(&path).expect("an own file");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let name = path.display();
    let expected = format!(
        "{name}: neither `default_pool` nor `route` in [[listener]], line 1\n\
         {name}: no `pool` at the top, line 1\n\
         {name}: `bind` in [[listener]], line 2: \"a\" has no port; an address is written HOST:PORT\n\
         {name}: unknown key `default_pol` in [[listener]], line 3; did you mean `default_pool`?\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

#[test]
fn help_shows_how_to_start() {
    let output = program(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["--listen", "--to", "--check", "preflight", "ringlet-lb check", "./check"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let bare = program(&[]);
    assert!(String::from_utf8_lossy(&bare.stderr).contains("Usage: ringlet-lb"));
}
