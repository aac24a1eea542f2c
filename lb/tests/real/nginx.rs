//! Job: nginx from Debian as a server behind the balancer.
//! In: files to serve. Out: answers over HTTP, and logs that say what was served.
//! Invariant: one process without workers, so that a signal to it is a signal to all of it.

use std::fs;
use std::process::Command;

use crate::harness::{Folder, Process, free_port, wait_until};

/// `/NAME` is a file, `/health` an answer that is not logged, `/name` the name of the server.
///
/// `/work` is passed on, within the same process, to a second server that logs it. That one has logged a
/// request before the first one sees its answer, so even a process that is killed has logged what it
/// answered. `/upload` does the same and keeps the body as a file.
const CONFIGURATION: &str = r#"
daemon off;
master_process off;
pid FOLDER/pid;
events { worker_connections 4096; }
http {
    client_max_body_size 0;
    client_body_temp_path FOLDER/bodies;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    keepalive_requests 10000000;
    log_format short '$request_method $request_uri $status $request_body_file';
    server {
        listen 127.0.0.1:PORT backlog=4096;
        root FOLDER/files;
        access_log FOLDER/front.log short;
        location = /health { access_log off; return 200; }
        location = /name { return 200 "NAME"; }
        location /work { proxy_pass http://unix:FOLDER/inner:; }
        location /upload {
            client_body_in_file_only on;
            proxy_pass http://unix:FOLDER/inner:;
        }
    }
    server {
        listen unix:FOLDER/inner backlog=4096;
        access_log FOLDER/inner.log short;
        location / { return 200 "done"; }
    }
}
"#;

/// A running nginx, or one that was killed.
pub struct Nginx {
    pub address: String,
    port: u16,
    folder: Folder,
    process: Process,
}

impl Nginx {
    pub fn start(name: &str) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        fs::create_dir(folder.file("files")).expect("a folder");
        let text = CONFIGURATION
            .replace("FOLDER", &folder.file(""))
            .replace("PORT", &port.to_string())
            .replace("NAME", name);
        fs::write(folder.file("nginx.conf"), text).expect("a file");
        let process = run(&folder, port);
        Self { address: format!("127.0.0.1:{port}"), port, folder, process }
    }

    /// Adds a file to what it serves; where it is.
    pub fn add_file(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.file(&format!("files/{name}"));
        fs::write(&path, content).expect("a file");
        path
    }

    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, with the same logs.
    pub fn start_again(&mut self) {
        // A socket that a killed process leaves behind is in the way.
        let _ = fs::remove_file(self.folder.file("inner"));
        self.process = run(&self.folder, self.port);
    }

    /// What it has logged: method, target, status and file of the body.
    pub fn log(&self) -> Vec<String> {
        self.lines("front.log")
    }

    /// What it has done at `/work` and `/upload`: the same.
    pub fn work_log(&self) -> Vec<String> {
        self.lines("inner.log")
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.file(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The body of the request with this method and target.
    pub fn uploaded(&self, method: &str, target: &str) -> Vec<u8> {
        let start = format!("{method} {target} 200 ");
        let mut path = None;
        wait_until("the upload is logged", || {
            let found = self
                .log()
                .into_iter()
                .find_map(|line| line.strip_prefix(&start).map(str::to_owned));
            path = found;
            path.is_some()
        });
        fs::read(path.expect("it was found")).expect("the body was kept")
    }
}

fn run(folder: &Folder, port: u16) -> Process {
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-e", &folder.file("error.log"), "-c", &folder.file("nginx.conf")]);
    Process::listening(&mut command, port)
}
