//! Job: what every nginx of the bench is told, whatever it serves.
//! In: servers in nginx's words, a folder for its files. Out: a configuration, arguments.
//! Invariant: it is one process, which is what is counted; it logs nothing and ends no connection.

use std::fmt::Write as _;
use std::path::Path;

/// One process in the foreground.
pub const HEAD: &str = "daemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
                        events { worker_connections 20000; }\n";

/// A configuration with these lines in `http`.
pub fn http(servers: &str) -> String {
    let mut text = HEAD.to_owned();
    text += "http { access_log off; keepalive_requests 1000000000; keepalive_timeout 3600;\n";
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "{kind}_temp_path {kind};");
    }
    text + servers + "}\n"
}

/// Its arguments for a configuration file and the folder of its other files.
pub fn arguments(folder: &Path, file: &Path) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    ["-e", "stderr", "-p", &text(folder), "-c", &text(file)].map(str::to_owned).to_vec()
}
