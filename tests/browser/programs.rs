//! The browser and its driver, if they are installed.

use std::path::PathBuf;

pub(crate) struct Programs {
    pub(crate) browser: PathBuf,
    pub(crate) driver: PathBuf,
}

impl Programs {
    /// Both, or the name of what is missing.
    pub(crate) fn find() -> Result<Self, &'static str> {
        let browsers = ["chromium", "chromium-browser", "google-chrome"];
        Ok(Self {
            browser: browsers.into_iter().find_map(find).ok_or("chromium")?,
            driver: find("chromedriver").ok_or("chromedriver")?,
        })
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
