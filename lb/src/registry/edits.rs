//! What an administrator has changed about which servers a pool has.
//!
//! Job: lay changes at run time over the file. In: a configuration as the file says it, and changes.
//! Out: the configuration that holds. Invariant: a change lasts until the file says something else
//! about that server than it did when the change was made; every added server is one that the file could say.

use crate::limits::EDITS_MAX;
use crate::model::{Configuration, Pool, Server};

/// All changes.
#[derive(Clone, Debug, Default)]
pub struct Edits(Vec<Edit>);

#[derive(Clone, Debug)]
struct Edit {
    pool: String,
    server: Server,
    kind: Kind,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Added,
    /// With what the file says about it.
    Removed,
}

/// Why a change does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// There is no such pool or server.
    Absent(String),
    /// There is one already, or no room.
    Taken(String),
    /// It is not said as it must be.
    Malformed(String),
}

impl Edits {
    /// Drops what a new file has overtaken.
    pub fn settle(&mut self, file: &Configuration) {
        let mut all = file.clone();
        self.0.retain(|edit| edit.apply(&mut all));
    }

    /// The file with the changes.
    #[must_use]
    pub fn applied(&self, file: &Configuration) -> Configuration {
        let mut all = file.clone();
        for edit in &self.0 {
            edit.apply(&mut all);
        }
        all
    }

    /// Adds a server to a pool as it is now.
    ///
    /// # Errors
    /// When the pool has one of that name or cookie, or too much was changed already.
    pub fn add(&mut self, pool: &Pool, server: Server) -> Result<(), Misfit> {
        if let Some(what) = clash(pool, &server) {
            return Err(Misfit::Taken(format!(
                "pool {} has a server of the {what} already",
                pool.name
            )));
        }
        let undoes = self.0.iter().position(|edit| {
            edit.kind == Kind::Removed && edit.pool == pool.name && edit.server == server
        });
        match undoes {
            Some(at) => drop(self.0.remove(at)),
            None => self.push(&pool.name, server, Kind::Added)?,
        }
        Ok(())
    }

    /// Removes a server from a pool as it is now.
    ///
    /// # Errors
    /// When too much was changed already.
    pub fn remove(&mut self, pool: &Pool, server: &Server) -> Result<(), Misfit> {
        let undoes = self.0.iter().position(|edit| {
            edit.kind == Kind::Added && edit.pool == pool.name && edit.server.name == server.name
        });
        match undoes {
            Some(at) => drop(self.0.remove(at)),
            None => self.push(&pool.name, server.clone(), Kind::Removed)?,
        }
        Ok(())
    }

    fn push(&mut self, pool: &str, server: Server, kind: Kind) -> Result<(), Misfit> {
        if self.0.len() == EDITS_MAX {
            let text = format!("{EDITS_MAX} servers were changed: change the file and reload");
            return Err(Misfit::Taken(text));
        }
        self.0.push(Edit { pool: pool.to_owned(), server, kind });
        Ok(())
    }
}

impl Edit {
    /// Makes the change; false if it does not fit any more.
    fn apply(&self, all: &mut Configuration) -> bool {
        let Some(pool) = all.pools.iter_mut().find(|pool| pool.name == self.pool) else {
            return false;
        };
        let fits = match self.kind {
            Kind::Added => clash(pool, &self.server).is_none(),
            Kind::Removed => pool.servers.contains(&self.server),
        };
        match self.kind {
            Kind::Added if fits => pool.servers.push(self.server.clone()),
            Kind::Removed if fits => pool.servers.retain(|server| *server != self.server),
            _ => {}
        }
        fits
    }
}

/// What a server would have in common with one of the pool that it must not.
fn clash(pool: &Pool, server: &Server) -> Option<String> {
    pool.servers.iter().find_map(|other| {
        if other.name == server.name {
            Some(format!("name {}", server.name))
        } else if other.cookie == server.cookie {
            Some(format!("cookie {}", server.cookie))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn file(servers: &str) -> Configuration {
        let listener = "[[listener]]\nbind = \"127.0.0.1:1\"\ndefault_pool = \"api\"\n";
        let text = format!("{listener}[pool.api]\nservers = [{servers}]\n");
        config::parse(&text, Path::new("")).expect("a configuration")
    }

    fn names(configuration: &Configuration) -> Vec<&str> {
        configuration.pools[0].servers.iter().map(|server| server.name.as_str()).collect()
    }

    fn server(text: &str, file: &Configuration) -> Server {
        config::server(text, &file.pools[0]).expect("a server")
    }

    #[test]
    fn changes_last_until_the_file_says_something_else_about_the_server() {
        let first = file("\"a:1\", \"b:1\"");
        let mut edits = Edits::default();
        edits.add(&first.pools[0], server("c:1 weight=2", &first)).expect("it fits");
        edits.remove(&first.pools[0], &first.pools[0].servers[0]).expect("it is there");
        assert_eq!(names(&edits.applied(&first)), ["b:1", "c:1"]);
        // The file changes elsewhere.
        let second = file("\"a:1\", \"b:1 weight=5\", \"d:1\"");
        edits.settle(&second);
        assert_eq!(names(&edits.applied(&second)), ["b:1", "d:1", "c:1"]);
        // The file says both otherwise.
        let third = file("\"a:1 weight=2\", \"c:1\"");
        edits.settle(&third);
        assert_eq!(names(&edits.applied(&third)), ["a:1", "c:1"]);
        assert_eq!(edits.applied(&third), third);
    }

    #[test]
    fn a_change_and_its_opposite_leave_nothing() {
        let file = file("\"a:1\", \"b:1\"");
        let mut edits = Edits::default();
        edits.remove(&file.pools[0], &file.pools[0].servers[0]).expect("it is there");
        let now = edits.applied(&file);
        edits.add(&now.pools[0], server("a:1", &file)).expect("it fits");
        let now = edits.applied(&file);
        edits.add(&now.pools[0], server("c:1", &file)).expect("it fits");
        let now = edits.applied(&file);
        edits.remove(&now.pools[0], &server("c:1", &file)).expect("it is there");
        assert_eq!(edits.applied(&file), file);
        assert!(edits.0.is_empty());
    }

    #[test]
    fn a_server_can_be_removed_and_added_again_in_another_way() {
        let file = file("\"a:1\", \"b:1\"");
        let mut edits = Edits::default();
        edits.remove(&file.pools[0], &file.pools[0].servers[0]).expect("it is there");
        let now = edits.applied(&file);
        edits.add(&now.pools[0], server("a:1 weight=7", &file)).expect("it fits");
        edits.settle(&file);
        let now = edits.applied(&file);
        assert_eq!((names(&now), now.pools[0].servers[1].weight), (vec!["b:1", "a:1"], 7));
    }

    #[test]
    fn names_stay_unique_and_changes_bounded() {
        let file = file("\"a:1\"");
        let mut edits = Edits::default();
        let twice = edits.add(&file.pools[0], server("x:9 name=a:1", &file));
        assert!(matches!(twice, Err(Misfit::Taken(text)) if text.contains("name a:1")));
        for number in 0..EDITS_MAX {
            let added = server(&format!("n{number}:1"), &file);
            edits.add(&file.pools[0], added).expect("there is room");
        }
        assert!(matches!(edits.add(&file.pools[0], server("z:1", &file)), Err(Misfit::Taken(_))));
    }
}
