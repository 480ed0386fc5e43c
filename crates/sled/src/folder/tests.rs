use super::*;

fn message(fault: Fault) -> (ErrorKind, String) {
    let error = revocable_core::Error::from(fault);
    (error.kind(), error.to_string())
}

/// A process that is being started has the marker open too, until it is
/// another program.
#[test]
fn a_finished_folder_is_let_go_whoever_still_has_the_marker_open() {
    let path = tempfile::tempdir().unwrap();
    let mut folder = Folder::claim(path.path()).unwrap();
    let still_open = folder.making.as_ref().unwrap().try_clone().unwrap();
    folder.finish().unwrap();
    let marker = File::open(path.path().join(MARKER)).unwrap();
    marker.try_lock().unwrap();
    drop(still_open);
}

#[test]
fn another_store_that_makes_the_folder_is_not_waited_for_for_ever() {
    let path = tempfile::tempdir().unwrap();
    let making = Folder::claim(path.path()).unwrap();
    let marker = File::open(path.path().join(NEW_MARKER)).unwrap();
    let fault = making.lock(&marker, Duration::ZERO).unwrap_err();
    assert_eq!(message(fault).0, ErrorKind::Unavailable);
}

/// A handle that can do nothing, locks included.
#[test]
#[cfg(target_os = "linux")]
fn a_marker_that_cannot_be_locked_is_an_error() {
    use std::os::unix::fs::OpenOptionsExt;
    const O_PATH: i32 = 0o10_000_000;
    let path = tempfile::tempdir().unwrap();
    let folder = Folder::claim(path.path()).unwrap();
    let mut options = OpenOptions::new();
    let marker = options.read(true).custom_flags(O_PATH);
    let marker = marker.open(path.path().join(NEW_MARKER)).unwrap();
    let fault = folder.lock(&marker, Duration::ZERO).unwrap_err();
    assert!(message(fault).1.contains("cannot lock"));
}

#[test]
fn what_another_store_has_finished_meanwhile_is_taken_as_it_is() {
    let path = tempfile::tempdir().unwrap();
    let mut late = Folder::claim(path.path()).unwrap();
    late.making = None;
    fs::write(path.path().join(MARKER), FORMAT).unwrap();
    late.begin(false).unwrap();
    assert!(late.making.is_none());
    let names = fs::read_dir(path.path()).unwrap().flatten();
    let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    assert_eq!(names, [MARKER]);
}

#[test]
fn what_cannot_be_made_or_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (kind, text) = message(Folder::claim(&file).unwrap_err());
    assert_eq!(kind, ErrorKind::Configuration);
    assert!(text.contains("cannot make"), "{text}");

    let marked = folder.path().join("marked");
    fs::create_dir_all(marked.join(MARKER)).unwrap();
    let (_, text) = message(Folder::claim(&marked).unwrap_err());
    assert!(text.contains("cannot read"), "{text}");
}

#[test]
#[cfg(unix)]
fn files_that_cannot_be_protected_are_an_error() {
    let path = tempfile::tempdir().unwrap();
    let folder = Folder::claim(path.path()).unwrap();
    folder.make_private().unwrap();
    std::os::unix::fs::symlink("db", path.path().join("db")).unwrap();
    let (_, text) = message(folder.make_private().unwrap_err());
    assert!(text.contains("cannot protect"), "{text}");
}

#[test]
#[cfg(unix)]
fn a_folder_that_others_may_read_is_noticed() {
    let path = tempfile::tempdir().unwrap();
    let folder = Folder::claim(path.path()).unwrap();
    for (mode, others) in [(0o700, false), (0o750, true), (0o704, true), (0o500, false)] {
        private(path.path(), mode).unwrap();
        assert_eq!(folder.others_may_read(), others, "{mode:o}");
    }
}

#[test]
#[cfg(unix)]
fn a_folder_that_is_not_there_cannot_be_synced() {
    let folder = tempfile::tempdir().unwrap();
    sync_folder(folder.path()).unwrap();
    assert!(sync_folder(&folder.path().join("absent")).is_err());
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_system_that_cannot_sync_folders_is_no_error() {
    let proc = Path::new("/proc");
    let synced = File::open(proc).unwrap().sync_all();
    assert_eq!(synced.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    sync_folder(proc).unwrap();
}

#[test]
fn what_a_person_has_to_put_right_is_told_from_what_may_get_well() {
    for (error, kind) in [
        (io::ErrorKind::StorageFull, ErrorKind::Full),
        (io::ErrorKind::QuotaExceeded, ErrorKind::Full),
        (io::ErrorKind::PermissionDenied, ErrorKind::Configuration),
        (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Configuration),
        (io::ErrorKind::Other, ErrorKind::Unavailable),
    ] {
        let fault = cannot("open", Path::new("sessions"), &error.into());
        assert_eq!(message(fault).0, kind, "{error:?}");
    }
}
