//! Programs of others: curl, and nginx with `auth_request` as docs/limiter.md has it.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};

use ringlet_check::process::free_address;

use crate::http::{Answer, ask};
use crate::limiter::{Folder, Limiter, PATIENCE, wait_until};

const RULES: &str = "[rule.api]\nlimit = 3\nwindow = \"1h\"\npath = \"/api/{*rest}\"\nkey = [\"ip\"]\n\
    [rule.keys]\nlimit = 2\nwindow = \"1h\"\nkey = [\"header:x-key\"]\nheader = { x-key = true }\n";
const PAGE: &str = include_str!("../../../docs/limiter.md");

/// What curl prints with `-i`, taken apart.
fn curl(arguments: &[&str]) -> Answer {
    let limit = PATIENCE.as_secs().to_string();
    let output = Command::new("curl").args(["-sSi", "-m", &limit]).args(arguments).output();
    let output = output.expect("there is curl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?}: {said}");
    Answer::read(&output.stdout)
}

#[test]
fn curl_is_let_through_and_refused() {
    let mut limiter = Limiter::start(2, "", "domain = \"web\"", RULES);
    let auth = format!("http://{}/auth", limiter.http);
    for left in [1, 0] {
        let answer = curl(&["-H", "X-Key: a", &auth]);
        assert_eq!(answer.status, 200);
        assert!(
            answer.field("RateLimit").contains(&format!("\"keys\";r={left}")),
            "{}",
            answer.head
        );
        assert!(answer.field("RateLimit-Policy").contains("\"keys\";q=2"), "{}", answer.head);
        assert_eq!(answer.body, "");
    }
    let refused = curl(&["-H", "X-Key: a", &auth]);
    assert_eq!(refused.status, 429);
    let retry_s: u64 = refused.field("Retry-After").parse().expect("a number");
    assert!((1..=3600).contains(&retry_s), "{retry_s}");
    assert_eq!(refused.field("Content-Type"), "application/problem+json");
    assert!(refused.body.contains("quota-exceeded"), "{}", refused.body);
    let head = curl(&["--head", "-H", "X-Key: a", &auth]);
    assert_eq!((head.status, head.body.as_str()), (429, ""));
    assert_eq!(curl(&["-H", "X-Key: b", &auth]).status, 200);
    assert_eq!(curl(&["-H", "X-Key: a", &format!("{auth}?deny=403")]).status, 403);

    let check = format!("http://{}/check", limiter.http);
    let question = "{\"checks\":[{\"rule\":\"keys\",\"key\":\"c\",\"cost\":2},\
        {\"rule\":\"keys\",\"key\":\"c\"},{\"rule\":\"nothing\"}]}";
    let answer = curl(&["--json", question, &check]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let places = ["\"allowed\":true", "\"allowed\":false", "\"error\":\"no rule is called"]
        .map(|text| answer.body.find(text).unwrap_or_else(|| panic!("{}", answer.body)));
    assert!(places.is_sorted(), "{}", answer.body);
    limiter.assert_well();
}

struct Nginx {
    child: Child,
    url: String,
    _folder: Folder,
}

impl Nginx {
    /// As the page has it, but for its ports.
    fn start(limiter: &Limiter) -> Self {
        let folder = Folder::new();
        let [front, app] = [(); 2].map(|()| free_address().expect("a free port"));
        let blocks = PAGE.split("```nginx\n").filter_map(|rest| rest.split("```").next());
        let mut blocks = blocks.filter(|block| block.contains("auth_request "));
        let given = blocks.next().expect("the page shows nginx");
        let replaced = [
            ("127.0.0.1:8090", limiter.http.to_string()),
            ("server {\n", format!("server {{\nlisten {front};\n")),
            ("http://web", format!("http://{app}")),
        ];
        let given = replaced.iter().fold(given.to_owned(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text.replace(from, to)
        });
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};\n", folder.file(name)));
        let text = format!(
            "daemon off;\nmaster_process off;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{}\n{given}\n\
             server {{ listen {app}; location / {{ return 200 \"served\"; }} }}\n}}\n",
            folder.file("pid"),
            temporary.concat()
        );
        std::fs::write(folder.file("nginx.conf"), text).expect("a file");
        let child = Command::new("/usr/sbin/nginx")
            .args(["-e", &folder.file("error.log"), "-c", &folder.file("nginx.conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("there is nginx");
        let mut nginx = Self { child, url: format!("http://{front}"), _folder: folder };
        wait_until("nginx listens", || {
            let ended = nginx.child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "nginx has ended: {ended:?}");
            TcpStream::connect((Ipv4Addr::LOCALHOST, front.port())).is_ok()
        });
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nginx_asks_before_it_serves() {
    let mut limiter = Limiter::start(2, "", "trusted_hops = 1", RULES);
    let nginx = Nginx::start(&limiter);
    let api = format!("{}/api/things?q=1", nginx.url);
    for left in [2, 1, 0] {
        // A body stays with nginx.
        let answer = curl(&["--json", "{}", &api]);
        assert_eq!((answer.status, answer.body.as_str()), (200, "served"), "{}", answer.head);
        assert!(answer.field("RateLimit").contains(&format!("r={left}")), "{}", answer.head);
    }
    // Whatever a client says of itself.
    let lies = [
        "X-Nothing: at all",
        "X-Original-URI: /free",
        "X-Original-Method: OPTIONS",
        "X-Forwarded-Uri: /free",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-For: 10.1.1.1",
        "X-Forwarded-Host: other",
    ];
    for lie in lies {
        let answer = curl(&["-H", lie, &api]);
        assert_eq!(answer.status, 429, "{lie}");
        assert!(answer.field("Retry-After").parse::<u64>().is_ok_and(|s| s > 0), "{}", answer.head);
        assert!(answer.field("RateLimit").contains("r=0"), "{}", answer.head);
    }
    let other = curl(&["--interface", "127.0.0.2", &api]);
    assert_eq!(other.status, 200, "{}", other.head);
    // Without a limiter all are let through: the page says how.
    limiter.terminate();
    assert_eq!(curl(&[&api]).status, 200);
}

/// A limit of nginx, imported: the listener's own settings, and the rules.
fn imported() -> (String, String) {
    let folder = Folder::new();
    let file = folder.file("nginx.conf");
    let text = "limit_req_zone $binary_remote_addr zone=all:10m rate=1r/m;\n\
        server { location /api { limit_req zone=all; } }\n";
    std::fs::write(&file, text).expect("a file");
    let program = env!("CARGO_BIN_EXE_ringlet-limiter");
    let output = Command::new(program).args(["import", "nginx", &file]).output();
    let output = output.expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let (_, text) = text.split_once("protocol = \"http\"\n").expect("a listener");
    let (settings, rules) = text.split_once("\n\n").expect("rules");
    (settings.to_owned(), rules.to_owned())
}

#[test]
fn what_is_imported_of_nginx_counts_its_clients_apart() {
    let (settings, rules) = imported();
    let mut limiter = Limiter::start(2, "", &settings, &rules);
    let nginx = Nginx::start(&limiter);
    let api = format!("{}/api/things", nginx.url);
    for client in ["127.0.0.1", "127.0.0.2"] {
        let statuses = [(); 2].map(|()| curl(&["--interface", client, &api]).status);
        assert_eq!(statuses, [200, 429], "{client}");
    }
    limiter.assert_well();
}

#[test]
fn forward_auth_passes_the_denial_on() {
    let limiter = Limiter::start(2, "", "trusted_hops = 1\ndeny_status = 503", RULES);
    // As Traefik and Caddy do.
    let fields = "X-Forwarded-Uri: /api/x\r\nX-Forwarded-Method: GET\r\n\
        X-Forwarded-Host: a\r\nX-Forwarded-For: 10.9.9.9\r\n";
    for _ in 0..3 {
        assert_eq!(ask(limiter.http, "GET", "/auth", fields, "").status, 200);
    }
    let refused = ask(limiter.http, "GET", "/auth", fields, "");
    assert_eq!(refused.status, 503);
    assert!(!refused.field("Retry-After").is_empty(), "{}", refused.head);
}
