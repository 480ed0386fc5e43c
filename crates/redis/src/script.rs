//! The verbs as scripts: each runs on the server from its beginning to its end
//! while nothing else does.

use std::sync::LazyLock;

use redis::Cmd;

/// A script. A server that has run it once knows it by its digest.
pub(crate) struct Script {
    code: &'static str,
    digest: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident $file:literal),* $(,)?) => {$(
        pub(crate) static $name: Script = {
            const CODE: &str = concat!(
                include_str!("scripts/common.lua"),
                include_str!(concat!("scripts/", $file)),
            );
            Script {
                code: CODE,
                digest: LazyLock::new(|| redis::Script::new(CODE).get_hash().to_owned()),
            }
        };
    )*};
}

scripts! {
    CREATE "create.lua",
    EPOCH "epoch.lua",
    EVERYTHING "everything.lua",
    EXPIRE "expire.lua",
    FORGET "forget.lua",
    LIST "list.lua",
    MARK "mark.lua",
    REVOKE "revoke.lua",
    REVOKE_ALL "revoke_all.lua",
    UPDATE "update.lua",
    WALK "walk.lua",
}

/// One run of a script.
pub(crate) struct Call {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    /// In the bucket with this first key.
    pub(crate) fn new(script: &'static Script, bucket: Vec<u8>) -> Self {
        Self {
            script,
            keys: vec![bucket],
            arguments: Vec::new(),
        }
    }

    pub(crate) fn key(mut self, key: Vec<u8>) -> Self {
        self.keys.push(key);
        self
    }

    pub(crate) fn arg(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args<A: Into<Vec<u8>>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// To a server that knows the script.
    pub(crate) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.digest)
    }

    /// To one that does not, and then does.
    pub(crate) fn in_full(&self) -> Cmd {
        self.command("EVAL", self.script.code)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for part in self.keys.iter().chain(&self.arguments) {
            command.arg(&part[..]);
        }
        command
    }
}
