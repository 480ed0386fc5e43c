//! The defects, each with the checks that find it.

/// One way to break the contract. What it does stands in `store.rs`, where it
/// is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    AcceptsAnyPosition,
    CapBeforeEpoch,
    CapBeforeId,
    CapCountsExpired,
    CapEndsTheNewest,
    CapTellsNobody,
    ChecksCapThenInserts,
    ChecksEpochThenInserts,
    ChecksIdThenInserts,
    CreateOverwrites,
    DamageIsNone,
    DeadlineOverflows,
    DuplicateSaysCreated,
    EmptyRevokeAllAdvancesNothing,
    EpochReadsBehind,
    EpochsStartAgain,
    EveryRevocationSupersedes,
    EverythingAdvancesNothing,
    EverythingInParts,
    EverythingSparesOne,
    ExpiresOneLate,
    FailureIsNone,
    FillsCacheLate,
    FoldsCaseOfUsers,
    ForgetsEpochsAtOnce,
    ForgetsRecentEpochs,
    ForgetsThePreviousToken,
    ForgetsWithoutFloor,
    IndexThenRow,
    KeepIsIgnored,
    LateTouchRevives,
    ListAnnouncesTooMuch,
    ListIsUnsorted,
    ListSkipsOneAtTheEdge,
    ListenerCanPanic,
    ListsThenDeletes,
    LookupCreates,
    LookupJudges,
    LookupNowRemembers,
    LookupTouches,
    OversizedDataDamages,
    RefusalStores,
    RenewalRevives,
    RenewsTheCurrentTokenOnly,
    RenewsUnconditionally,
    ReopensAsCreated,
    ReopensTheGraveyard,
    ReopensWithoutEpochs,
    ReopensWithoutIndex,
    RevokeAllAdvancesNothing,
    RevokeAllAtMost1000,
    RevokeAllDecodes,
    RevokeAllSparesTheNewest,
    RevokeAsksForALiveOne,
    RevokeDecodes,
    RevokeEndsAllOfTheUser,
    RevokeLeavesTheRow,
    RevokedTwiceIsTwiceTold,
    RevokesTheWholeBucket,
    RowThenIndex,
    SavesTheRowItRead,
    SetsDataUnconditionally,
    ShortensNumbers,
    SweepDiesOnDamage,
    SweepDoesNotLookAgain,
    SweepForgetsTheIndex,
    SweepIgnoresThePolicy,
    SweepIsUnbounded,
    SweepListsOnce,
    SweepsByPosition,
    SweepsOneLate,
    TellsLater,
    TellsNobody,
    TellsOnlyWhoStays,
    TellsTwice,
    TellsWhatDidNotEnd,
    TouchMovesBack,
    TouchRevivesExpired,
    UpdateOfAbsentIsAnError,
    UpdateRevives,
    UsersByPrefix,
    ValidatesNothing,
    VersionStands,
    WritesBackOnlyIfThere,
}

use Defect::*;

const TWO_WRITES: &str = "two_writes_at_once_are_as_one_after_the_other";
const DROPPED: &str = "a_write_dropped_half_way_happens_whole_or_not_at_all";
const TOLD: &str = "a_listener_is_told_of_each_end_once_and_in_time";
const OLD_LOGIN: &str = "a_login_from_before_a_revoke_all_is_refused";
const DUPLICATE: &str = "a_duplicate_create_changes_nothing";
const EVERY_CHANGE: &str = "every_change_does_what_the_contract_says";
const PAGES: &str = "a_list_has_pages_without_gap_or_repetition";
const THREADS: &str = "histories_of_threads_are_linearizable";
const TASKS: &str = "histories_of_interleaved_tasks_are_linearizable";

/// Which checks find which defect. Others may find it too.
pub(crate) const CAUGHT: &[(Defect, &[&str])] = &[
    (CapBeforeEpoch, &["a_refused_login_changes_nothing"]),
    (
        CapBeforeId,
        &[DUPLICATE, "a_repeated_call_changes_nothing_more"],
    ),
    (
        CapCountsExpired,
        &["the_cap_counts_the_live_sessions_of_the_user_only"],
    ),
    (CapEndsTheNewest, &["the_cap_ends_just_the_right_ones"]),
    (
        CapTellsNobody,
        &["what_the_cap_ended_is_gone_and_reported", TOLD],
    ),
    (
        ChecksCapThenInserts,
        &[
            "logins_at_once_keep_to_the_policys_cap",
            TWO_WRITES,
            TASKS,
            "concurrent_logins_never_exceed_the_cap",
        ],
    ),
    (
        ChecksEpochThenInserts,
        &[
            TWO_WRITES,
            "a_login_that_races_a_revoke_all_leaves_no_session",
        ],
    ),
    (
        ChecksIdThenInserts,
        &[
            TWO_WRITES,
            TASKS,
            "of_concurrent_creates_with_one_id_one_inserts",
        ],
    ),
    (CreateOverwrites, &[DUPLICATE]),
    (
        DamageIsNone,
        &["a_damaged_session_is_an_error_for_itself_only"],
    ),
    (
        DeadlineOverflows,
        &["times_at_the_limits_make_no_arithmetic_wrong"],
    ),
    (DuplicateSaysCreated, &[DUPLICATE]),
    (EmptyRevokeAllAdvancesNothing, &[OLD_LOGIN]),
    (
        EpochReadsBehind,
        &["a_session_created_after_a_revoke_all_stays"],
    ),
    (
        AcceptsAnyPosition,
        &["a_login_from_another_life_of_the_store_is_refused"],
    ),
    (EpochsStartAgain, &["epochs_never_go_back"]),
    (
        EveryRevocationSupersedes,
        &["a_login_is_not_refused_for_the_revocations_of_others"],
    ),
    (EverythingAdvancesNothing, &[OLD_LOGIN]),
    (EverythingInParts, &[TWO_WRITES]),
    (
        EverythingSparesOne,
        &[
            "revoke_everything_ends_all_of_everybody",
            "revoke_everything_ends_what_was_created_before_it_began",
        ],
    ),
    (
        ExpiresOneLate,
        &["an_expired_session_is_not_changed", EVERY_CHANGE],
    ),
    (
        FailureIsNone,
        &[
            "nobody_gets_in_when_the_store_cannot_answer",
            "a_store_that_cannot_answer_says_so",
        ],
    ),
    (
        FillsCacheLate,
        &[
            "no_lookup_finds_a_session_after_its_revocation",
            "a_read_halted_half_way_undoes_no_write",
        ],
    ),
    (FoldsCaseOfUsers, &["users_are_told_apart_byte_by_byte"]),
    (
        ForgetsEpochsAtOnce,
        &["a_sweep_forgets_epochs_in_bounded_steps"],
    ),
    (
        ForgetsRecentEpochs,
        &["a_sweep_forgets_no_epoch_that_is_needed"],
    ),
    (
        ForgetsThePreviousToken,
        &[
            "a_replaced_token_is_good_until_its_time_is_over",
            EVERY_CHANGE,
        ],
    ),
    (ForgetsWithoutFloor, &["a_forgotten_epoch_still_refuses"]),
    (IndexThenRow, &[DROPPED]),
    (KeepIsIgnored, &["revoke_all_spares_the_one_to_keep"]),
    (
        LateTouchRevives,
        &["a_touch_that_comes_soon_does_not_revive"],
    ),
    (ListAnnouncesTooMuch, &[PAGES]),
    (ListIsUnsorted, &[PAGES]),
    (ListSkipsOneAtTheEdge, &[PAGES]),
    (ListenerCanPanic, &["a_panicking_listener_harms_nobody"]),
    (ListsThenDeletes, &[TWO_WRITES, TASKS]),
    (LookupCreates, &["a_read_creates_nothing"]),
    (LookupJudges, &["lookup_and_list_do_not_judge"]),
    (
        LookupNowRemembers,
        &["a_lookup_without_waiting_is_the_lookup"],
    ),
    (
        LookupTouches,
        &["a_token_is_good_until_the_instant_of_its_timeout"],
    ),
    (OversizedDataDamages, &["oversized_data_damages_nothing"]),
    (RefusalStores, &["a_cap_that_refuses_changes_nothing"]),
    (RenewalRevives, &["a_late_renewal_does_not_revive"]),
    (RenewsTheCurrentTokenOnly, &[EVERY_CHANGE]),
    (
        RenewsUnconditionally,
        &["of_renewals_of_one_token_one_wins", EVERY_CHANGE],
    ),
    (ReopensAsCreated, &["changes_are_there_after_a_reopen"]),
    (
        ReopensTheGraveyard,
        &[
            "tokens_are_as_good_or_dead_after_a_reopen_as_before",
            "revoked_stays_revoked_after_a_reopen",
        ],
    ),
    (ReopensWithoutEpochs, &["epochs_are_there_after_a_reopen"]),
    (ReopensWithoutIndex, &["sessions_are_there_after_a_reopen"]),
    (
        RevokeAllAdvancesNothing,
        &[
            "a_login_begun_before_logging_out_everywhere_is_refused",
            OLD_LOGIN,
            TWO_WRITES,
            TASKS,
        ],
    ),
    (
        RevokeAllAtMost1000,
        &["revoke_all_ends_two_thousand_sessions"],
    ),
    (
        RevokeAllDecodes,
        &["a_damaged_session_does_not_stop_a_revoke_all"],
    ),
    (
        RevokeAllSparesTheNewest,
        &[
            "revoke_all_ends_all_and_names_them",
            "revoke_all_ends_what_was_created_before_it_began",
        ],
    ),
    (
        RevokeAsksForALiveOne,
        &["an_expired_session_can_be_revoked"],
    ),
    (RevokeDecodes, &["a_damaged_session_can_be_revoked"]),
    (RevokeEndsAllOfTheUser, &["revoke_spares_other_sessions"]),
    (
        RevokeLeavesTheRow,
        &[
            "a_token_gives_its_session_until_it_is_revoked",
            "a_revoked_session_is_not_found",
        ],
    ),
    (
        RevokedTwiceIsTwiceTold,
        &["a_listener_is_told_of_concurrent_ends_once", TWO_WRITES],
    ),
    (RevokesTheWholeBucket, &["revoke_all_spares_other_users"]),
    (
        RowThenIndex,
        &[
            DROPPED,
            TWO_WRITES,
            "a_read_during_a_write_sees_before_or_after",
            "a_read_after_a_dropped_write_sees_before_or_after",
        ],
    ),
    (
        SavesTheRowItRead,
        &[
            TWO_WRITES,
            TASKS,
            THREADS,
            "nothing_revives_a_session_under_concurrent_writers",
        ],
    ),
    (
        SetsDataUnconditionally,
        &[
            "of_writers_with_one_version_one_wins",
            "a_repeated_call_changes_nothing_more",
            EVERY_CHANGE,
        ],
    ),
    (ShortensNumbers, &["every_field_is_read_back_as_it_was"]),
    (
        SweepDiesOnDamage,
        &["a_damaged_session_does_not_stop_a_sweep"],
    ),
    (SweepDoesNotLookAgain, &[TWO_WRITES]),
    (
        SweepForgetsTheIndex,
        &["the_index_is_in_step_after_a_sweep"],
    ),
    (
        SweepIgnoresThePolicy,
        &["a_sweep_removes_exactly_the_expired"],
    ),
    (SweepIsUnbounded, &["a_sweep_goes_in_bounded_steps"]),
    (
        SweepListsOnce,
        &["a_sweep_spares_a_session_that_was_touched_meanwhile"],
    ),
    (
        SweepsByPosition,
        &["a_sweep_skips_nobody_when_others_come_and_go"],
    ),
    (SweepsOneLate, &["a_sweep_removes_exactly_the_expired"]),
    (
        TellsLater,
        &[
            "a_watch_ends_before_its_session_is_known_to_have_ended",
            TOLD,
        ],
    ),
    (TellsNobody, &[TOLD]),
    (
        TellsOnlyWhoStays,
        &["a_listener_is_told_though_the_caller_went_away"],
    ),
    (TellsTwice, &[TOLD]),
    (
        TellsWhatDidNotEnd,
        &["a_listener_is_not_told_of_what_did_not_end"],
    ),
    (TouchMovesBack, &["a_clock_that_goes_back_moves_nothing"]),
    (TouchRevivesExpired, &["an_expired_session_is_not_changed"]),
    (
        UpdateOfAbsentIsAnError,
        &["a_write_to_an_absent_session_creates_nothing"],
    ),
    (UpdateRevives, &["a_late_write_does_not_revive"]),
    (UsersByPrefix, &["users_are_told_apart_byte_by_byte"]),
    (
        ValidatesNothing,
        &["invalid_input_is_refused_and_changes_nothing"],
    ),
    (VersionStands, &[EVERY_CHANGE, "no_increment_is_lost"]),
    (
        WritesBackOnlyIfThere,
        &[
            "no_modification_of_a_sessions_data_is_lost",
            TWO_WRITES,
            "no_increment_is_lost",
            "concurrent_changes_of_different_fields_all_stay",
        ],
    ),
];

/// No store gets a token, so none can leak one: that the search finds a secret
/// is tested beside it.
pub(crate) const CAUGHT_BY_NO_STORE: &[&str] = &["nothing_that_was_stored_is_a_token"];
