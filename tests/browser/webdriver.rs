//! A browser by remote control: as much of WebDriver (W3C) as these tests need.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::Programs;

/// What takes longer fails the test.
const TIMEOUT: Duration = Duration::from_secs(60);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(20);

/// Under this name WebDriver hands out elements (section 12, "Elements").
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The one host name but `localhost` that leads to this machine: another site.
pub(crate) const OTHER_SITE: &str = "evil.example";

/// With a profile of its own. Ends with this value.
pub(crate) struct Browser {
    agent: ureq::Agent,
    /// The address of the WebDriver session.
    session: String,
    /// How often it went from one page to another.
    steps: Cell<u32>,
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn start(programs: &Programs, user_agent: &str) -> Self {
        let driver = Driver::start(programs);
        let profile = tempfile::tempdir().unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .proxy(None)
            .build()
            .new_agent();
        let arguments = [
            "--headless=new".to_owned(),
            // Root and containers have no sandbox. All pages are the tests' own.
            "--no-sandbox".to_owned(),
            // It is small in containers.
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--window-size=1000,800".to_owned(),
            format!("--host-resolver-rules=MAP {OTHER_SITE} 127.0.0.1"),
            format!("--user-agent={user_agent}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "timeouts": { "pageLoad": TIMEOUT.as_millis() as u64, "script": TIMEOUT.as_millis() as u64 },
            "goog:chromeOptions": { "binary": programs.browser, "args": arguments },
        } } });
        let address = format!("http://127.0.0.1:{}/session", driver.port);
        let answer = value(agent.post(&address).send_json(capabilities));
        let id = answer.expect("a browser starts")["sessionId"].clone();
        Self {
            agent,
            session: format!("{address}/{}", id.as_str().unwrap()),
            steps: Cell::new(0),
            _driver: driver,
            _profile: profile,
        }
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).unwrap();
    }

    /// To the page before, and waits for it.
    pub(crate) fn back(&self) {
        self.leave(|| {
            self.post("back", json!({})).unwrap();
        });
    }

    pub(crate) fn url(&self) -> String {
        let url = self.get("url").unwrap();
        url.as_str().unwrap().to_owned()
    }

    /// The part of the address behind the host.
    pub(crate) fn path(&self) -> String {
        self.script("return location.pathname")
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Types this into the one element of this selector.
    pub(crate) fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("element/{element}/value"), json!({ "text": text }))
            .unwrap();
    }

    /// Clicks on what leads to another page, and waits for that.
    pub(crate) fn follow(&self, selector: &str) {
        let element = self.element(selector);
        self.leave(|| {
            self.post(&format!("element/{element}/click"), json!({}))
                .unwrap();
        });
    }

    /// Waits for the page that the step leads to. Pages have windows of their own,
    /// and one that comes back from memory has a mark of before.
    fn leave(&self, step: impl FnOnce()) {
        self.steps.set(self.steps.get() + 1);
        let step_number = self.steps.get();
        self.script(&format!("window.leftBy = {step_number}"));
        step();
        self.wait_until(&format!(
            "window.leftBy !== {step_number} && document.readyState === 'complete'"
        ));
    }

    pub(crate) fn has(&self, selector: &str) -> bool {
        self.count(selector) > 0
    }

    pub(crate) fn count(&self, selector: &str) -> u64 {
        let count = self.ask(
            "return document.querySelectorAll(arguments[0]).length",
            selector,
        );
        count.as_u64().unwrap()
    }

    /// What the first element of this selector shows.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.ask(
            "return document.querySelector(arguments[0]).innerText",
            selector,
        );
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an expression of JavaScript is true.
    pub(crate) fn wait_until(&self, condition: &str) {
        let script = format!("return Boolean({condition})");
        let start = Instant::now();
        loop {
            // While a page goes and another comes there may be none to ask.
            let answer = self.post("execute/sync", json!({ "script": script, "args": [] }));
            if answer == Ok(Value::Bool(true)) {
                return;
            }
            assert!(
                start.elapsed() < TIMEOUT,
                "it does not come to {condition} at {}: {answer:?}\n{}",
                self.url(),
                self.script("return document.body.innerText"),
            );
            thread::sleep(BETWEEN_QUESTIONS);
        }
    }

    /// What a function body of JavaScript returns.
    pub(crate) fn script(&self, body: &str) -> Value {
        let script = json!({ "script": body, "args": [] });
        self.post("execute/sync", script).unwrap()
    }

    /// Also those that scripts do not see. As WebDriver has them: `name`, `value`,
    /// `httpOnly` and so on.
    pub(crate) fn cookies(&self) -> Vec<Value> {
        let cookies = self.get("cookie").unwrap();
        cookies.as_array().unwrap().clone()
    }

    pub(crate) fn add_cookie(&self, cookie: Value) {
        self.post("cookie", json!({ "cookie": cookie })).unwrap();
    }

    /// The screen of a phone from now on, in CSS pixels.
    pub(crate) fn become_phone(&self, width: u32, height: u32) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": true,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// A picture of an element, as PNG.
    pub(crate) fn screenshot(&self, selector: &str) -> Vec<u8> {
        let element = self.element(selector);
        let picture = self.get(&format!("element/{element}/screenshot")).unwrap();
        Base64::decode_vec(picture.as_str().unwrap()).unwrap()
    }

    /// A command of the DevTools protocol, for what WebDriver has no word.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) {
        let command = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", command).unwrap();
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post(
            "element",
            json!({ "using": "css selector", "value": selector }),
        );
        let found = found.unwrap_or_else(|error| panic!("at {}: {error}", self.url()));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    fn ask(&self, body: &str, argument: &str) -> Value {
        self.post(
            "execute/sync",
            json!({ "script": body, "args": [argument] }),
        )
        .unwrap_or_else(|error| panic!("{argument} at {}: {error}", self.url()))
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        value(self.agent.get(format!("{}/{path}", self.session)).call())
    }

    fn post(&self, path: &str, parameters: Value) -> Result<Value, String> {
        let url = format!("{}/{path}", self.session);
        value(self.agent.post(url).send_json(parameters))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver waits for the browser's end.
        let _ = self.agent.delete(&self.session).call();
    }
}

/// What an answer holds: a value, or an error in the same place.
fn value(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let mut answer = answer.map_err(|error| error.to_string())?;
    let body = answer.body_mut().read_json::<Value>();
    let value = body.map_err(|error| error.to_string())?["value"].take();
    match value.get("error") {
        Some(_) if !answer.status().is_success() => Err(value["message"].to_string()),
        _ => Ok(value),
    }
}

struct Driver {
    process: Child,
    port: u16,
    /// Open as long as the process writes to it.
    _output: BufReader<ChildStdout>,
}

impl Driver {
    fn start(programs: &Programs) -> Self {
        let mut process = Command::new(&programs.driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut text = String::new();
        // "ChromeDriver was started successfully on port 40123."
        let port = loop {
            let line = text.lines().next_back().unwrap_or_default();
            let port = line.split("successfully on port ").nth(1);
            if let Some(port) = port.and_then(|port| port.trim_end_matches('.').parse().ok()) {
                break port;
            }
            if output.read_line(&mut text).unwrap() == 0 {
                let _ = process.wait();
                panic!("the driver does not say where it listens: {text}");
            }
        };
        Self {
            process,
            port,
            _output: output,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
