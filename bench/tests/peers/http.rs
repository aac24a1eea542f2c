//! Job: load by HTTP. In: nginx. Out: failed assertions. Invariant: nginx ends with the test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ports::free_port;
use crate::program::load;

/// nginx with one process and a folder of its own.
struct Nginx {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Nginx {
    fn start() -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("load-http-{}-{port}", std::process::id()));
        fs::create_dir_all(folder.join("files/chunked")).expect("a folder");
        fs::write(folder.join("files/large"), vec![b'x'; 100_000]).expect("a file");
        let at = |name: &str| folder.join(name).display().to_string();
        let text = format!(
            "daemon off; master_process off; pid {}; error_log {};\nevents {{}}\nhttp {{ access_log off; \
             client_body_temp_path {}; proxy_temp_path {}; fastcgi_temp_path {}; uwsgi_temp_path {}; \
             scgi_temp_path {};\nserver {{ listen 127.0.0.1:{port}; root {}; keepalive_requests 100;\n\
             location = /small {{ return 200 small; }}\nlocation = /none {{ return 204; }}\n\
             location = /refused {{ return 429; }}\nlocation /key/ {{ return 200 $uri; }}\n\
             location = /posted {{ if ($request_method != POST) {{ return 405; }} return 200 ok; }} }} }}\n",
            at("pid"),
            at("error.log"),
            at("body"),
            at("proxy"),
            at("fastcgi"),
            at("uwsgi"),
            at("scgi"),
            at("files"),
        );
        fs::write(folder.join("nginx.conf"), text).expect("a file");
        let process = Command::new("/usr/sbin/nginx")
            .args(["-e", &at("error.log"), "-c", &at("nginx.conf")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx (Debian package nginx)");
        let server = Self { process, folder, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // All of this fails only when it is done already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn responses_of_all_kinds_are_read_and_statuses_judged() {
    let nginx = Nginx::start();
    let common = ["--requests", "1000", "--connections", "5", "--warm-up", "0s"];
    let run = |path: &str, more: &[&str]| {
        load(&[&[nginx.url(path).as_str()], &common[..], more].concat())
    };
    // Every connection ends after a hundred requests.
    for (path, more) in [
        ("/small", &[][..]),
        ("/none", &[]),
        ("/large", &[]),
        ("/key/__key__", &["--keys", "50"]),
        ("/posted", &["--method", "POST", "--body-bytes", "100"]),
        ("/small", &["--method", "HEAD"]),
        ("/refused", &["--expect", "200,429"]),
        ("/small", &["--rate", "2000", "--share-cpu"]),
        ("/small", &["--new-connections"]),
    ] {
        let said = run(path, more).must_be_complete();
        assert_eq!(said.number("/total/requests"), 1000.0, "{path} {more:?}");
        assert_eq!(said.number("/total/refused"), 0.0, "{path} {more:?}");
    }
    let said = run("/missing", &[]);
    assert_eq!((said.code, said.number("/total/refused")), (1, 1000.0));
    let errors = said.outcome["errors"].to_string();
    assert!(errors.contains("404"), "{errors}");
}
