namespace Matrix.ToDevice.Tests;

/// <summary>What a failure says, so that an author finds the column or the lock without looking into the kit.</summary>
public class FailureTests
{
    private static readonly Fault[] s_locks =
    [
        Fault.LocksInTheOrderOfTheCall, Fault.LocksItsSenderFirst, Fault.LosesWhatADeadlockEnds, Fault.LocksDestinationsInTheOrderOfTheCall,
        Fault.LocksInTheOrderOfTheCallOnEachInstance, Fault.LocksDestinationsInTheOrderOfTheCallOnEachInstance,
    ];

    [TestCase(Fault.RefusesNulInSenders, "The sender of a message: a NUL was refused (ArgumentException: invalid byte sequence for encoding")]
    [TestCase(Fault.TrimsEventTypes, "The event type of a message: a character alone was changed (\" \" came out as \"\"); a blank at the end was changed (\"t \" came out as \"t\")")]
    [TestCase(Fault.EndsEventTypesAtNul, "The event type of a message: a NUL was changed (\"a\\u0000b\" came out as \"a\")")]
    [TestCase(Fault.RefusesLongUserIds, "The user ID of an inbox: a random text of 250 bytes was refused (InvalidOperationException: value too long for type character varying(64))")]
    [TestCase(Fault.IndexesTheBeginningOfDeviceIds, "The device ID of an inbox: a text of 255 bytes that differs from another at its end was taken for another")]
    [TestCase(Fault.RemovesDevicesByTheBeginningOfTheirIds, "The device ID of an inbox: a text of 255 bytes that differs from another at its end was lost")]
    [TestCase(Fault.IgnoresCaseOfDevices, "The user ID of an inbox: a text that differs from another in case was taken for another")]
    [TestCase(Fault.CutsTransactionIds, "The transaction ID of a key: a text of 8,000 characters was taken for another")]
    [TestCase(Fault.CutsEventTypesOfKeys, "The event type of a key: a text of 255 bytes that differs from another at its end was taken for another")]
    [TestCase(Fault.LeavesTheOriginOut, "The origin of a key of another server: a name that differs from another in case was taken for another")]
    [TestCase(Fault.KeepsMessageIdsInAscii, "The message_id of an EDU: a character alone was changed")]
    [TestCase(Fault.CutsDestinations, "The destination of an EDU: a name of 205 bytes that differs from another at its end was taken for another")]
    [TestCase(Fault.CutsIdsAtRestart, "(In this case, IDs have 255 bytes.)")]
    [TestCase(Fault.LocksInTheOrderOfTheCall, "These calls have not returned: IToDeviceTransaction.CommitAsync")]
    [TestCase(Fault.LocksInTheOrderOfTheCall, "lock the same rows in different orders")]
    [TestCase(Fault.LocksItsSenderFirst, "CommitAsync threw DeadlockException")]
    [TestCase(Fault.LocksItsSenderFirst, "lock the same rows in different orders")]
    [TestCase(Fault.LosesWhatADeadlockEnds, "Every send was committed, so each is in the inbox of")]
    public async Task A_failure_names_what_is_wrong(Fault fault, string expected)
    {
        string[] texts = ["Long_and_unusual_user_and_device_ids_have_inboxes", "Keys_with_long_and_unusual_texts_are_told_apart"];
        var results = new List<ConformanceResult>();
        foreach (var name in texts.Prepend(Faults.All[fault])) results.Add(await ConformanceKit.Find(name).RunAsync(new ReferenceTarget(fault)));

        Assert.That(results[0].Outcome, Is.EqualTo(ConformanceOutcome.Failed));
        Assert.That(string.Join("\n", results.Select(result => result.Reason)), Does.Contain(expected));
    }

    /// <summary>What a database says of a column is the cause, and a framework shows it.</summary>
    [Test]
    public async Task A_refused_text_has_the_stores_exception()
    {
        var result = await ConformanceKit.Find(Faults.All[Fault.RefusesNulInSenders]).RunAsync(new ReferenceTarget(Fault.RefusesNulInSenders));

        Assert.That(result.Exception, Is.TypeOf<ArgumentException>());
    }

    /// <summary>They are there for that: without them, such a store keeps every promise.</summary>
    [Category("Slow")]
    [TestCaseSource(nameof(s_locks))]
    public async Task Locks_in_different_orders_are_seen_by_the_cases_that_are_there_for_them_and_by_no_others(Fault fault)
    {
        var others = ConformanceKit.Cases.Where(one =>
            !one.Name.Contains("opposite_orders", StringComparison.Ordinal) && one.Name != Faults.All[Fault.LocksTheCounterOfRemovalsFirst]);

        var report = await ConformanceKit.RunAsync(new ReferenceTarget(fault, TimeSpan.FromSeconds(60)), others);

        Assert.That(report.Count(ConformanceOutcome.Passed), Is.EqualTo(others.Count()), report.ToString());
    }
}
