namespace Matrix.ToDevice;

/// <summary>The names that the promises have in the documentation of the seams.</summary>
internal static class Promises
{
    public const string OneWinner = "One_winner";
    public const string Abandoned = "Abandoned_transactions_leave_nothing";
    public const string NobodyHeldUp = "Open_transactions_hold_up_nobody";
    public const string CommitOnce = "Transactions_commit_once";
    public const string OneCommit = "One_commit";
    public const string CommitOrder = "Positions_in_commit_order";
    public const string NoGaps = "Pages_have_no_gaps";
    public const string Bounded = "Pages_are_bounded";
    public const string ReadingDeletesNothing = "Reading_deletes_nothing";
    public const string KeptAsSent = "Contents_are_kept_as_sent";
    public const string OwnInbox = "Every_device_has_its_own_inbox";
    public const string HandedOut = "Only_what_was_handed_out_is_deleted";
    public const string LaterDevice = "A_later_device_starts_empty";
    public const string RemovedDevices = "Removed_devices_get_nothing";
    public const string UnusedRecords = "Unused_records_are_forgotten";
    public const string Foreign = "Foreign_transactions_are_refused";
    public const string FirstInFirstOut = "Destinations_are_first_in_first_out";
    public const string OnlyReceived = "Only_what_was_received_is_removed";
    public const string DestinationsListed = "Destinations_with_mail_are_listed";
    public const string OneSender = "Destinations_have_one_sender";
    public const string RepeatedAsTheyWere = "Transactions_are_repeated_as_they_were";
    public const string HoldUpNoOthers = "Failing_destinations_hold_up_no_others";
    public const string EmptyForgotten = "Empty_destinations_are_forgotten";
    public const string Cancelled = "Cancelled_calls_do_all_or_nothing";
    public const string Restart = "Commits_survive_a_restart";
    public const string WaitingMeasured = "What_waits_is_measured";
    public const string InboxesMeasured = "Inboxes_are_measured";
    public const string CommittedKnown = "Committed_keys_are_known";
    public const string OldExpire = "Old_messages_expire";
    public const string UpkeepOnce = "Upkeep_is_done_once";
    public const string Hosts = "Hosts_share_one_store";
}
