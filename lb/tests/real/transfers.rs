//! Transfers by curl: methods, framings and sizes, there and back.

use crate::harness::{Balancer, content, run, run_with_input, text};
use crate::nginx::Nginx;

/// What curl said about the transfer, and the body.
fn curl(arguments: &[&str], input: &[u8]) -> (Vec<u8>, String) {
    let all = [&["-sv", "--fail-with-body", "--max-time", "50"], arguments].concat();
    let output = run_with_input("curl", &all, input);
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn on_one_and_four_cores(test: impl Fn(&Balancer, &Nginx)) {
    let nginx = Nginx::start("a");
    for cores in [1, 4] {
        test(&Balancer::http(cores, std::slice::from_ref(&nginx.address), ""), &nginx);
    }
}

#[test]
fn get_and_head() {
    on_one_and_four_cores(|balancer, nginx| {
        nginx.add_file("small", b"a few bytes");
        let (body, said) = curl(&[&balancer.url("/small"), &balancer.url("/small")], b"");
        assert_eq!(body, b"a few bytesa few bytes");
        assert!(said.contains("Re-using existing connection"), "{said}");
        let (head, _) = curl(&["-I", &balancer.url("/small")], b"");
        let head = String::from_utf8_lossy(&head).to_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(head.contains("content-length: 11\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    });
}

#[test]
fn http_1_0() {
    on_one_and_four_cores(|balancer, nginx| {
        nginx.add_file("small", b"a few bytes");
        let (body, said) = curl(&["--http1.0", &balancer.url("/small")], b"");
        assert_eq!(body, b"a few bytes");
        assert!(said.contains("> GET /small HTTP/1.0") && said.contains("< HTTP/1."), "{said}");
    });
}

#[test]
fn a_range() {
    on_one_and_four_cores(|balancer, nginx| {
        let whole = content(100_000);
        nginx.add_file("whole", &whole);
        let (body, said) = curl(&["-r", "5000-69999", &balancer.url("/whole")], b"");
        assert!(body == whole[5000..70_000], "{} other bytes", body.len());
        assert!(said.contains("< HTTP/1.1 206 "), "{said}");
        assert!(said.to_lowercase().contains("content-range: bytes 5000-69999/100000"), "{said}");
    });
}

#[test]
fn a_post_of_a_megabyte() {
    on_one_and_four_cores(|balancer, nginx| {
        let body = content(1 << 20);
        let path = nginx.add_file("post", &body);
        let target = format!("/upload?{}", balancer.port());
        let data = format!("@{path}");
        let (answer, said) =
            curl(&["-H", "Expect:", "--data-binary", &data, &balancer.url(&target)], b"");
        assert_eq!(answer, b"done");
        assert!(!said.contains("< HTTP/1.1 100"), "nobody has asked for it: {said}");
        assert!(nginx.uploaded("POST", &target) == body);
    });
}

#[test]
fn a_post_that_waits_for_100_continue() {
    on_one_and_four_cores(|balancer, nginx| {
        let body = content(2 << 20);
        let path = nginx.add_file("expect", &body);
        let target = format!("/upload?{}", balancer.port());
        let data = format!("@{path}");
        // It would send the body after this time all the same, but may not take so long.
        let waits = ["--expect100-timeout", "55", "-H", "Expect: 100-continue"];
        let sends = ["--data-binary", &data, &balancer.url(&target)];
        let (answer, said) = curl(&[&waits[..], &sends[..]].concat(), b"");
        assert_eq!(answer, b"done");
        assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");
        assert!(nginx.uploaded("POST", &target) == body);
    });
}

#[test]
fn a_chunked_upload() {
    on_one_and_four_cores(|balancer, nginx| {
        let body = content(3_000_001);
        let target = format!("/upload?{}", balancer.port());
        let (answer, said) = curl(&["-T", "-", &balancer.url(&target)], &body);
        assert_eq!(answer, b"done");
        assert!(said.contains("> Transfer-Encoding: chunked"), "{said}");
        assert!(nginx.uploaded("PUT", &target) == body);
    });
}

#[test]
fn a_download_of_20_megabytes() {
    on_one_and_four_cores(|balancer, nginx| {
        let path = nginx.add_file("large", &content(20_000_000));
        let hash = text(&run("sha256sum", &[&path]));
        let (body, _) = curl(&[&balancer.url("/large")], b"");
        let got = text(&run_with_input("sha256sum", &["-"], &body));
        assert_eq!(got.split(' ').next(), hash.split(' ').next(), "{} bytes", body.len());
    });
}
