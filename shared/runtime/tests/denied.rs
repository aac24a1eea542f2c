//! A seccomp filter that forbids io_uring, as container engines have by default: the preflight
//! blames it and names the remedy.
//!
//! Alone in its process, for the filter holds for all threads and for good.

use ringlet_runtime::preflight::{self, Verdict};
use ringlet_runtime::ring::{NetRing, RingSettings};

const SYSCALL_NUMBER_AT: u32 = 0;

/// From here on io_uring_setup(2) answers EPERM.
fn forbid_io_uring() {
    let statement = |code: u32, k| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let refusal = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut program = [
        statement(load, SYSCALL_NUMBER_AT),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ, libc::SYS_io_uring_setup as u32)
        },
        statement(libc::BPF_RET, refusal),
        statement(libc::BPF_RET, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: prctl takes numbers; seccomp reads the filter, which outlives the call.
    let outcome = unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_seccomp_filter_is_blamed_for_what_it_forbids() {
    let before = preflight::check();
    assert!(before.is_ok(), "\n{before}");
    forbid_io_uring();
    let report = preflight::check();
    assert!(!report.is_ok());
    assert_eq!(report.mode, None);
    let seccomp = report.rows.iter().find(|row| row.name == "seccomp").expect("a row");
    assert_eq!((seccomp.verdict, seccomp.found.as_str()), (Verdict::Ok, "mode 2"));
    let blamed = report.failures().filter(|row| row.advice.contains("seccomp profile")).count();
    assert_eq!(blamed, 1, "one line, no more:\n{report}");
    let error = NetRing::new(&RingSettings::default()).err().expect("there is no ring");
    assert_eq!(error.io_error().raw_os_error(), Some(libc::EPERM));
    assert!(error.to_string().contains("seccomp profile"), "{error}");
}
