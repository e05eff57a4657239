using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A <see cref="ReferenceStore"/> with one fault. It is long because it lists every fault beside the step that it breaks.
/// </summary>
internal sealed class BrokenStore(ReferenceData data, TimeProvider time, Fault fault, int instance) : ReferenceStore(data, time), IDisposable
{
    private const int Cut = 255, IndexedPart = 191, ShortColumn = 64;
    // A fault is seen in small sends; in large ones it need not take its time.
    private const int SlowSteps = 5;

    private readonly TimeProvider _time = time;
    private readonly SemaphoreSlim _instanceLock = new(1);
    private readonly Dictionary<long, TransactionKey> _keysOfSends = [];
    private readonly HashSet<(TransactionKey, DeviceAddress)> _reached = [];
    private readonly HashSet<(DeviceAddress, InboxPosition)> _handedOut = [];
    private readonly HashSet<TransactionKey> _ownRecords = [];
    private readonly HashSet<long> _ownRemovals = [];
    private readonly HashSet<string> _destinations = [];
    private readonly Dictionary<string, DateTimeOffset> _appended = [];
    private readonly Dictionary<string, ReferenceData.Lease> _ownLeases = [];
    private readonly Dictionary<Transaction, List<(ToDeviceMessage Message, long Sequence)>> _numbered = [];
    private readonly Dictionary<Transaction, List<(OutboundEdu Edu, long Position)>> _numberedEdus = [];
    private readonly Dictionary<DeviceAddress, long> _ownAcknowledged = [];
    private readonly Dictionary<ReferenceData.Inbox, (long Next, long Last)> _reserved = [];
    private readonly ConcurrentDictionary<DeviceAddress, SemaphoreSlim> _inboxLocks = new();
    private readonly ConcurrentDictionary<Transaction, List<SemaphoreSlim>> _held = new();
    private readonly HashSet<Transaction> _open = [];
    private readonly Dictionary<long, DateTimeOffset> _appendedAt = [];
    private readonly Dictionary<string, DateTimeOffset> _ownTasks = [];
    private List<(ReferenceData.Inbox Inbox, long Last)>? _counters;
    private bool _hasExpired;
    private long _total;
    private long _lastOwnEdu;
    private long _noted;

    /// <summary>What other instances do not see yet, of all data.</summary>
    private static readonly ConcurrentDictionary<(DeviceAddress, long SendId), int> s_hidden = new();

    private static readonly InboxSize s_all = new(long.MaxValue, long.MaxValue);

    public override long KnownRemovals => fault switch
    {
        Fault.NeverLearnsOfRemovals => 0,
        Fault.CountsTheRemovalsThatItRemembers => RememberedRemovals(),
        _ => base.KnownRemovals,
    };

    public override async ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        if (fault == Fault.LocksInboxesWhileOpen && transaction is Transaction own)
        {
            foreach (var message in messages)
            {
                var inboxLock = _inboxLocks.GetOrAdd(message.Recipient, _ => new(1));
                await inboxLock.WaitAsync(cancellationToken);
                _held.GetOrAdd(own, _ => []).Add(inboxLock);
            }
        }

        await base.AppendAsync(transaction, messages, cancellationToken);
    }

    public override async ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        switch (fault)
        {
            case Fault.LooksForRecordsThenCommits or Fault.LooksForRemovalsThenCommits:
                if (await DoAsync(() => Check(transaction), cancellationToken) is { } objection) return objection;
                await SlowStepAsync();
                // What this store does look at in the step that commits is what the other fault leaves out.
                return await DoAsync(
                    () => fault == Fault.LooksForRemovalsThenCommits && IsCommitted(transaction) ? CommitResult.AlreadyCommitted
                        : fault == Fault.LooksForRecordsThenCommits && NamesRemovedDevice(transaction) ? CommitResult.DeviceRemoved
                        : Apply(transaction),
                    cancellationToken);

            case Fault.CommitsInboxByInbox or Fault.StopsHalfwayThroughACommit or Fault.RecordsAfterDelivering or Fault.SendsEdusAfterDelivering:
                return await CommitInStepsAsync(transaction, cancellationToken);

            case Fault.ShowsNumbersOutOfOrder:
                if (await DoAsync(() => CheckAndNumber(transaction), cancellationToken) is { } refusal) return refusal;
                await SlowStepAsync();
                return await DoAsync(() => Apply(transaction), CancellationToken.None);

            case Fault.ShowsEdusOutOfOrder:
                if (await DoAsync(() => CheckAndNumberEdus(transaction), cancellationToken) is { } reason) return reason;
                await SlowStepAsync();
                return await DoAsync(() => Apply(transaction), CancellationToken.None);

            case Fault.LocksForEachInstance:
                return await CommitUnderInstanceLockAsync(transaction, cancellationToken);

            case Fault.ReplicatesInboxByInbox:
                foreach (var message in transaction.Messages) s_hidden[(message.Recipient, message.SendId)] = instance;
                var result = await base.CommitAsync(transaction, cancellationToken);
                for (var n = 0; n < transaction.Messages.Count; n++)
                {
                    s_hidden.TryRemove((transaction.Messages[n].Recipient, transaction.Messages[n].SendId), out _);
                    if (n < SlowSteps) await SlowStepAsync();
                }

                return result;

            default:
                return await base.CommitAsync(transaction, cancellationToken);
        }
    }

    public override ValueTask AbandonAsync(Transaction transaction)
    {
        lock (Data.Lock)
        {
            _open.Remove(transaction);
            if (fault == Fault.CommitsWhatIsAbandoned && transaction.Messages.Count > 0 && Check(transaction) is null) Apply(transaction);
            if (fault == Fault.FreesTheKeyOfWhatIsAbandoned) Data.LastUses.Remove(transaction.Key);
            if (fault == Fault.ShowsMessagesAtAppend)
            {
                foreach (var message in transaction.Messages)
                    Inbox(message.Recipient).Messages.RemoveAll(other => other.Position.SendId == message.SendId);
            }

            if (fault == Fault.ShowsEdusAtAppend)
            {
                foreach (var edu in transaction.Edus) Data.Edus[edu.Destination].RemoveAll(other => other.MessageId == edu.MessageId);
                foreach (var destination in Data.Edus.Where(pair => pair.Value.Count == 0).Select(pair => pair.Key).ToList()) Data.Edus.Remove(destination);
            }
        }

        Unlock(transaction);
        return ValueTask.CompletedTask;
    }

    public override async ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        if (fault != Fault.StopsHalfwayThroughAnAcknowledgement) return await base.AcknowledgeAsync(device, upTo, cancellationToken);

        cancellationToken.ThrowIfCancellationRequested();
        List<InboxPosition> due = [];
        lock (Data.Lock)
        {
            var positions = Inbox(device).Messages.Select(message => message.Position).ToList();
            if (positions.Contains(upTo)) due = positions.FindAll(position => position.Sequence <= upTo.Sequence);
        }

        foreach (var position in due)
        {
            await DoAsync(() => base.Acknowledge(device, position), cancellationToken);
            await SlowStepAsync();
        }

        return due.Count;
    }

    public override async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        switch (fault)
        {
            case Fault.WritesCountersBackAfterAnExpiry:
                return await DoAsync(
                    () =>
                    {
                        // As what keeps in memory what it has read.
                        _counters ??= [.. Data.Inboxes.Values.Select(inbox => (inbox, inbox.LastSequence))];
                        foreach (var (inbox, last) in _counters) inbox.LastSequence = last;
                        return base.Expire(committedBefore, atMost);
                    },
                    cancellationToken);

            case Fault.LooksForOldMessagesThenExpires:
                var due = await DoAsync(() => Data.Inboxes.Values.Sum(inbox => Due(inbox, committedBefore).Count()), cancellationToken);
                await SlowStepAsync();
                await base.ExpireAsync(committedBefore, atMost, CancellationToken.None);
                return Math.Min(due, atMost);

            default:
                return await base.ExpireAsync(committedBefore, atMost, cancellationToken);
        }
    }

    public override async ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken)
    {
        if (fault != Fault.LooksForTasksThenTakes) return await base.TryTakeAsync(task, interval, cancellationToken);

        if (!await DoAsync(() => IsDue(task, interval), cancellationToken)) return false;
        await SlowStepAsync();
        return await DoAsync(() => Take(task), CancellationToken.None);
    }

    /// <summary>What this store makes of its data when it is the first to open it after a restart.</summary>
    public void Restart()
    {
        switch (fault)
        {
            case Fault.LosesRecordsAtRestart: Data.LastUses.Clear(); break;
            case Fault.LosesEdusAtRestart: Data.Edus.Clear(); break;
            case Fault.CutsIdsAtRestart:
                foreach (var (device, inbox) in Data.Inboxes.ToList())
                {
                    Data.Inboxes.Remove(device);
                    Data.Inboxes[new(CutText(device.UserId, ShortColumn), CutText(device.DeviceId, ShortColumn))] = inbox;
                }

                break;
            case Fault.KeepsNotesInMemory: Data.Leases.Clear(); break;
            case Fault.RenewsRecordsAtRestart:
                foreach (var key in Data.LastUses.Keys) Data.LastUses[key] = _time.GetUtcNow();
                break;
            case Fault.RenewsMessagesAtRestart:
                foreach (var messages in Data.Inboxes.Values.Select(inbox => inbox.Messages))
                    for (var i = 0; i < messages.Count; i++) messages[i] = messages[i] with { CommittedAt = _time.GetUtcNow() };
                break;
            default:
                foreach (var inbox in Data.Inboxes.Values)
                {
                    if (fault == Fault.LosesMessagesAtRestart) inbox.Messages.Clear();
                    if (fault == Fault.CountsAnewAfterRestart) inbox.LastSequence = inbox.Messages.Select(message => message.Position.Sequence).LastOrDefault();
                }

                break;
        }
    }

    /// <summary>The store is closed.</summary>
    public void Dispose()
    {
        lock (Data.Lock)
        {
            if (fault == Fault.CommitsWhatIsOpenAtRestart)
                foreach (var transaction in _open) Apply(transaction);
            if (fault == Fault.BringsAcknowledgedMessagesBackAtRestart)
                foreach (var (message, sequence) in _numbered.Values.SelectMany(numbered => numbered)) Deliver(message, sequence);
        }
    }

    protected override long Count(ReferenceData.Inbox inbox) => fault == Fault.MeasuresWhatHasGone ? inbox.LastSequence : base.Count(inbox);

    protected override DateTimeOffset? Oldest(ReferenceData.Inbox inbox) =>
        fault == Fault.TellsTheNewestMessage ? inbox.Messages.Max(message => message.CommittedAt) : base.Oldest(inbox);

    protected override OutboxStatistics MeasureEdus(bool hasFailed)
    {
        var found = fault == Fault.MeasuresAllEdusTogether && hasFailed ? default : base.MeasureEdus(hasFailed);
        return fault == Fault.CountsDestinationsByTheirEdus ? found with { Destinations = found.Edus } : found;
    }

    protected override IEnumerable<DeviceAddress> Named(IReadOnlyList<DeviceAddress> devices) =>
        fault == Fault.MeasuresEachInboxOnce ? devices.Distinct() : devices;

    protected override InboxSize Measure(DeviceAddress device, InboxSize upTo)
    {
        var size = base.Measure(device, upTo);
        return fault switch
        {
            Fault.CountsCharactersOfContents => size with { Bytes = Inbox(device).Messages.Sum(message => Encoding.UTF8.GetString(message.Content.Span).Length) },
            Fault.StopsBelowTheBounds => new InboxSize(Math.Min(size.Messages, upTo.Messages - 1), Math.Min(size.Bytes, upTo.Bytes - 1)),
            Fault.CountsBytesThatNobodyWantsToKnow => base.Measure(device, s_all),
            Fault.CountsNothingWithoutBytes when upTo.Bytes == 0 => default,
            _ => size,
        };
    }

    protected override bool IsKnown(TransactionKey key) => fault switch
    {
        Fault.KnowsKeysFromTheirBeginning => base.IsKnown(key) || _open.Any(transaction => transaction.Key == key),
        Fault.KnowsKeysForGood => _keysOfSends.ContainsValue(key),
        Fault.UsesWhatItIsAskedFor => Use(key),
        Fault.KnowsItsOwnKeysOnly => base.IsKnown(key) && _keysOfSends.ContainsValue(key),
        _ => base.IsKnown(key),
    };

    protected override DateTimeOffset? CommittedAt(ToDeviceMessage message) => fault switch
    {
        Fault.TellsNoTimes => null,
        Fault.TellsWhenItWasAppended => _appendedAt.TryGetValue(message.SendId, out var appendedAt) ? appendedAt : base.CommittedAt(message),
        _ => base.CommittedAt(message),
    };

    protected override int Expire(DateTimeOffset committedBefore, int atMost)
    {
        if (fault == Fault.ExpiresOneInbox)
        {
            foreach (var inbox in Data.Inboxes.Values)
                if (inbox.Messages.RemoveAll(Due(inbox, committedBefore).ToHashSet().Contains) is > 0 and var one) return one;
        }

        var expired = base.Expire(committedBefore, fault == Fault.ExpiresAllThatIsDue ? int.MaxValue : atMost);
        if (fault == Fault.CountsFromWhatIsThereAfterAnExpiry)
            foreach (var inbox in Data.Inboxes.Values) inbox.LastSequence = inbox.Messages.Select(message => message.Position.Sequence).LastOrDefault();
        if (expired > 0) _hasExpired = true;
        return expired;
    }

    protected override IEnumerable<InboxMessage> Due(ReferenceData.Inbox inbox, DateTimeOffset committedBefore) => fault switch
    {
        Fault.ExpiresTheMomentItself => inbox.Messages.TakeWhile(message => message.CommittedAt <= committedBefore),
        Fault.ExpiresTheNewestFirst => base.Due(inbox, committedBefore).Reverse(),
        _ => base.Due(inbox, committedBefore),
    };

    protected override bool IsDue(string task, TimeSpan interval) => fault switch
    {
        Fault.ForgetsWhoTookATask => true,
        Fault.TakesTasksForGood => !Data.Tasks.ContainsKey(task),
        Fault.KeepsTasksForEachInstance => !_ownTasks.TryGetValue(task, out var taken) || _time.GetUtcNow() - taken >= interval,
        _ => base.IsDue(task, interval),
    };

    protected override bool Take(string task)
    {
        _ownTasks[task] = _time.GetUtcNow();
        return base.Take(task);
    }

    protected override TransactionKey KeyOf(TransactionKey key) => fault switch
    {
        Fault.IgnoresCaseOfKeys => key with { UserId = Lower(key.UserId), DeviceId = key.DeviceId is null ? null : Lower(key.DeviceId), TransactionId = Lower(key.TransactionId) },
        Fault.LeavesTheEventTypeOut => key with { EventType = "" },
        Fault.LeavesTheOriginOut when key.Endpoint == TransactionKey.DirectToDevice => key with { UserId = "" },
        Fault.TakesAnOriginForAUser when key.DeviceId is null => key with { Endpoint = TransactionKey.SendToDevice },
        Fault.TakesNoDeviceForAnEmptyId => key with { DeviceId = key.DeviceId ?? "" },
        Fault.CutsTransactionIds => key with { TransactionId = CutText(key.TransactionId) },
        Fault.CutsEventTypesOfKeys => key with { EventType = CutText(key.EventType, ShortColumn) },
        _ => key,
    };

    protected override DeviceAddress InboxOf(DeviceAddress device) => fault switch
    {
        Fault.IgnoresCaseOfDevices => new(Lower(device.UserId), Lower(device.DeviceId)),
        Fault.CutsDeviceIds => device with { DeviceId = CutText(device.DeviceId) },
        Fault.IndexesTheBeginningOfDeviceIds => device with { DeviceId = CutText(device.DeviceId, IndexedPart) },
        _ => device,
    };

    protected override bool IsOwn(IToDeviceTransaction transaction) => fault == Fault.TakesForeignTransactions || base.IsOwn(transaction);

    protected override bool IsOwnForOutbox(IToDeviceTransaction transaction) =>
        fault == Fault.TakesForeignTransactionsIntoTheOutbox || base.IsOwnForOutbox(transaction);

    protected override bool IsOverForCommit(Transaction transaction) => fault switch
    {
        Fault.CommitsAgain => transaction.IsDisposed,
        Fault.CommitsWhatWasRefused => transaction.Result == CommitResult.Committed || transaction.IsDisposed,
        Fault.CommitsWhatWasDisposed => transaction.CommitWasCalled,
        _ => base.IsOverForCommit(transaction),
    };

    protected override bool IsOver(Transaction transaction) => fault != Fault.AppendsAfterTheCommit && base.IsOver(transaction);

    protected override bool IsOverForOutbox(Transaction transaction) =>
        fault != Fault.AppendsEdusAfterTheCommit && base.IsOverForOutbox(transaction);

    protected override void Append(Transaction transaction, IReadOnlyList<ToDeviceMessage> messages)
    {
        _open.Add(transaction);
        foreach (var message in messages) _appendedAt[message.SendId] = _time.GetUtcNow();
        if (fault == Fault.RefusesNulInSenders && messages.Any(message => message.Sender.Contains('\0')))
            throw new ArgumentException("invalid byte sequence for encoding \"UTF8\": 0x00");
        if (fault == Fault.RefusesLongUserIds && messages.Any(message => message.Recipient.UserId.Length > ShortColumn))
            throw new InvalidOperationException($"value too long for type character varying({ShortColumn})");
        if (fault == Fault.KeepsTheLastAppendOnly) transaction.Messages.Clear();
        base.Append(transaction, messages);
        if (fault == Fault.ShowsMessagesAtAppend)
            foreach (var message in transaction.Messages) Deliver(message);
        if (fault == Fault.NumbersAtAppend) Number(transaction);
    }

    protected override void Append(Transaction transaction, IReadOnlyList<OutboundEdu> edus)
    {
        if (fault == Fault.KeepsMessageIdsInAscii) edus = [.. edus.Select(edu => edu with { MessageId = Encoding.ASCII.GetString(Encoding.ASCII.GetBytes(edu.MessageId)) })];
        if (fault == Fault.CutsDestinations) edus = [.. edus.Select(edu => edu with { Destination = CutText(edu.Destination, ShortColumn) })];
        base.Append(transaction, edus);
        foreach (var edu in edus) _appended[edu.MessageId] = _time.GetUtcNow();
        if (fault == Fault.ShowsEdusAtAppend)
            foreach (var edu in transaction.Edus) Deliver(edu);
        if (fault == Fault.NumbersEdusAtAppend) NumberEdus(transaction);
    }

    protected override ReadOnlyMemory<byte> Keep(ReadOnlyMemory<byte> content) => fault switch
    {
        Fault.KeepsTheRequestsMemory => content,
        Fault.ParsesContents => Parse(content),
        Fault.CutsContents => content[..Math.Min(content.Length, ushort.MaxValue)].ToArray(),
        _ => base.Keep(content),
    };

    protected override ReadOnlyMemory<byte> KeepEdu(ReadOnlyMemory<byte> content) =>
        fault == Fault.ParsesEdus ? Parse(content) : base.KeepEdu(content);

    protected override CommitResult? Check(Transaction transaction)
    {
        var result = base.Check(transaction);
        if (result == CommitResult.AlreadyCommitted && fault == Fault.KnowsDuplicatesForEachRecipient)
        {
            foreach (var message in transaction.Messages)
                if (_reached.Add((transaction.Key, message.Recipient))) Deliver(message);
        }

        if (result != CommitResult.DeviceRemoved) return result;
        if (fault == Fault.RecordsRefusedSends) Record(transaction);
        foreach (var edu in transaction.Edus)
            if (fault == Fault.KeepsEdusOfRefusedSends) Deliver(edu);
        foreach (var message in transaction.Messages)
        {
            if (fault == Fault.NumbersRefusedSends) NextSequence(Inbox(message.Recipient));
            if (fault == Fault.DeliversToThoseWhoAreLeft && !IsRemoved(message.Recipient, transaction)) Deliver(message);
        }

        return result;
    }

    protected override bool IsCommitted(Transaction transaction) => fault switch
    {
        Fault.LooksForRecordsInBeginOnly => false,
        Fault.KnowsDuplicatesForEachRecipient => base.Use(transaction.Key),
        _ => base.IsCommitted(transaction),
    };

    protected override bool Use(TransactionKey key) => fault switch
    {
        Fault.KeepsRecordsForEachInstance => _ownRecords.Contains(key),
        Fault.CountsAgeFromTheCommit => Data.LastUses.ContainsKey(key),
        // Begun like any other: only its commit knows the recipients.
        Fault.KnowsDuplicatesForEachRecipient => false,
        _ => base.Use(key),
    };

    protected override bool NamesRemovedDevice(Transaction transaction) => fault switch
    {
        Fault.GuardsSendersOnly => IsRemoved(new DeviceAddress(transaction.Key.UserId, transaction.Key.DeviceId!), transaction),
        Fault.GuardsRecipientsOnly => transaction.Messages.Exists(message => IsRemoved(message.Recipient, transaction)),
        Fault.RefusesAfterAnyRemoval => Data.LastRemoval > transaction.KnownRemovals,
        _ => base.NamesRemovedDevice(transaction),
    };

    protected override bool IsRemoved(DeviceAddress device, Transaction transaction) => fault switch
    {
        Fault.KeepsRemovalsForEachInstance => Data.Removals.Exists(
            removal => removal.Device == device && removal.Number > transaction.KnownRemovals && _ownRemovals.Contains(removal.Number)),
        Fault.CountsTheRemovalsThatItRemembers =>
            Data.Removals.Select(removal => removal.Device).Distinct().ToList().IndexOf(device) >= transaction.KnownRemovals,
        _ => base.IsRemoved(device, transaction),
    };

    protected override CommitResult Apply(Transaction transaction)
    {
        _open.Remove(transaction);
        foreach (var message in transaction.Messages)
        {
            _keysOfSends[message.SendId] = transaction.Key;
            _reached.Add((transaction.Key, message.Recipient));
        }

        if (fault is Fault.StopsAt200Messages or Fault.StopsAt500Messages)
        {
            var most = fault == Fault.StopsAt200Messages ? 200 : 500;
            if (transaction.Messages.Count > most) transaction.Messages.RemoveRange(most, transaction.Messages.Count - most);
        }

        if (fault == Fault.BringsAcknowledgedMessagesBackAtRestart)
            _numbered[transaction] = [.. transaction.Messages.Select(message => (message, Inbox(message.Recipient).LastSequence + 1))];

        foreach (var message in transaction.Messages)
            if (fault is not (Fault.ShowsMessagesAtAppend or Fault.NumbersAtAppend or Fault.ShowsNumbersOutOfOrder)) Deliver(message);
        if (fault is Fault.NumbersAtAppend or Fault.ShowsNumbersOutOfOrder)
            foreach (var (message, sequence) in _numbered.GetValueOrDefault(transaction, [])) Deliver(message, sequence);

        foreach (var edu in transaction.Edus)
        {
            _destinations.Add(edu.Destination);
            FreeForNewEdu(edu.Destination);
            if (fault is not (Fault.ShowsEdusAtAppend or Fault.NumbersEdusAtAppend or Fault.ShowsEdusOutOfOrder)) Deliver(edu);
        }

        if (fault is Fault.NumbersEdusAtAppend or Fault.ShowsEdusOutOfOrder)
            foreach (var (edu, position) in _numberedEdus.GetValueOrDefault(transaction, [])) Deliver(edu, position);

        Record(transaction);
        Unlock(transaction);
        return CommitResult.Committed;
    }

    protected override void Record(Transaction transaction)
    {
        var forgets = fault switch
        {
            Fault.ForgetsRecords => true,
            Fault.ForgetsSendsWithoutDevice => transaction.Key.DeviceId is null,
            Fault.ForgetsSendsToNobody => transaction.Messages.Count + transaction.Edus.Count == 0,
            _ => false,
        };
        if (forgets) return;
        _ownRecords.Add(transaction.Key);
        base.Record(transaction);
    }

    protected override string EventTypeOf(ToDeviceMessage message) => fault switch
    {
        Fault.EndsEventTypesAtNul => message.EventType.Split('\0')[0],
        Fault.TrimsEventTypes => message.EventType.TrimEnd(' '),
        _ => base.EventTypeOf(message),
    };

    protected override long NextSequence(ReferenceData.Inbox inbox)
    {
        switch (fault)
        {
            case Fault.CountsAllInboxesTogether:
                return ++_total;
            case Fault.CountsFromWhatIsThere:
                return inbox.Messages.Select(message => message.Position.Sequence).LastOrDefault() + 1;
            case Fault.ReservesNumbersForEachInstance:
                var (next, last) = _reserved.GetValueOrDefault(inbox, (1, 0));
                if (next > last) (next, last, inbox.LastSequence) = (inbox.LastSequence + 1, inbox.LastSequence + 10, inbox.LastSequence + 10);
                _reserved[inbox] = (next + 1, last);
                return next;
            default:
                return base.NextSequence(inbox);
        }
    }

    protected override long NextEdu(string destination) => fault switch
    {
        Fault.NumbersEdusForEachInstance => instance * 1000 + ++_lastOwnEdu,
        _ => base.NextEdu(destination),
    };

    protected override InboxPage Read(DeviceAddress device, InboxPosition after, int limit, int maxBytes)
    {
        if (fault == Fault.ThrowsForUnknownDevices) _ = Data.Inboxes[device];
        var page = base.Read(
            device, after, fault == Fault.CapsPagesAndSaysNothing ? Math.Min(limit, 100) : limit,
            fault is Fault.IgnoresTheBytesOfAPage or Fault.LeavesLargeMessagesForLater ? int.MaxValue : maxBytes);
        foreach (var message in page.Messages)
        {
            _handedOut.Add((device, message.Position));
            if (fault == Fault.DeletesWhatItReads) Inbox(device).Messages.Remove(message);
        }

        return fault switch
        {
            Fault.SaysMoreWhenAPageIsFull => new InboxPage(page.Messages, page.Messages.Count == limit),
            Fault.CapsPagesAndSaysNothing => new InboxPage(page.Messages, page.HasMore && page.Messages.Count == limit),
            Fault.SaysMoreAtTheLimitOnly => new InboxPage(page.Messages, page.HasMore && page.Messages.Count == limit),
            Fault.GivesNothingThatIsTooLarge when page.Messages.Count > 0 && SizeOf(page.Messages[0]) > maxBytes => new InboxPage([], hasMore: true),
            Fault.LeavesLargeMessagesForLater => LeaveOut(page, maxBytes),
            _ => page,
        };
    }

    protected override int SizeOf(InboxMessage message) => fault switch
    {
        Fault.CountsContentsOnly => message.Content.Length,
        Fault.CountsCharactersForBytes => message.Content.Length + message.EventType.Length + message.Sender.Length,
        _ => base.SizeOf(message),
    };

    protected override IEnumerable<InboxMessage> Visible(DeviceAddress device, ReferenceData.Inbox inbox) => inbox.Messages
        .Where(message => message.Position.Sequence > Math.Max(_ownAcknowledged.GetValueOrDefault(device), Data.Beside.GetValueOrDefault($"{device}")))
        .TakeWhile(message => s_hidden.GetValueOrDefault((device, message.Position.SendId), instance) == instance);

    protected override int Acknowledge(DeviceAddress device, InboxPosition upTo)
    {
        if (!Data.Inboxes.TryGetValue(device, out var inbox)) return 0;
        var messages = inbox.Messages;
        var isHeld = messages.Exists(message => message.Position == upTo);
        if (fault == Fault.ReadsBehindAnyAcknowledgedNumber || (fault == Fault.NotesAcknowledgementsBesideTheDatabase && isHeld))
            Data.Beside[$"{device}"] = upTo.Sequence;
        switch (fault)
        {
            case Fault.DeletesTheWholeInbox when isHeld:
                return messages.RemoveAll(_ => true);
            case Fault.AcknowledgesByNumberAfterAnExpiry when _hasExpired && upTo.Sequence <= inbox.LastSequence:
            case Fault.DeletesAsManyAsTheNumberSays when upTo.Sequence > 0 && upTo.Sequence <= inbox.LastSequence:
                var count = (int)Math.Min(upTo.Sequence, messages.Count);
                messages.RemoveRange(0, count);
                return count;
            case Fault.DeletesUpToAnyNumber:
            case Fault.IgnoresSendIds when messages.Exists(message => message.Position.Sequence == upTo.Sequence):
            case Fault.FindsPositionsInAllInboxes when Data.Inboxes.Values.Any(any => any.Messages.Exists(message => message.Position == upTo)):
            case Fault.TrustsWhatItOnceHandedOut when _handedOut.Contains((device, upTo)):
                return messages.RemoveAll(message => message.Position.Sequence <= upTo.Sequence);
            case Fault.TakesSendIdsForPositive when upTo.SendId <= 0:
                return 0;
            case Fault.AcknowledgesForEachInstance when isHeld:
                var before = _ownAcknowledged.GetValueOrDefault(device);
                _ownAcknowledged[device] = upTo.Sequence;
                return messages.Count(message => message.Position.Sequence > before && message.Position.Sequence <= upTo.Sequence);
            case Fault.UsesMemoryOfPagesAgain when isHeld:
                foreach (var message in messages.Where(message => message.Position.Sequence <= upTo.Sequence))
                {
                    if (System.Runtime.InteropServices.MemoryMarshal.TryGetArray(message.Content, out var segment))
                        segment.AsSpan().Fill((byte)'x');
                }

                break;
            case Fault.ForgetsRecordsWithTheirMessages when isHeld:
                foreach (var message in messages.Where(message => message.Position.Sequence <= upTo.Sequence))
                    Data.LastUses.Remove(_keysOfSends.GetValueOrDefault(message.Position.SendId));
                break;
        }

        return base.Acknowledge(device, upTo);
    }

    protected override void Learn()
    {
        if (fault != Fault.NeverLearnsOfRemovals) base.Learn();
    }

    protected override void RemoveDevice(DeviceAddress device)
    {
        _ownRemovals.Add(Data.LastRemoval + 1);
        var isKnown = Data.Inboxes.ContainsKey(device) || Data.LastUses.Keys.Any(key => new DeviceAddress(key.UserId, key.DeviceId!) == device);
        base.RemoveDevice(device);
        if (fault == Fault.GuardsKnownDevicesOnly && !isKnown) Data.Removals.RemoveAt(Data.Removals.Count - 1);
    }

    protected override void RemoveMessages(DeviceAddress device)
    {
        if (fault == Fault.KeepsMessagesOfRemovedDevices) return;
        base.RemoveMessages(device);
        if (fault == Fault.RemovesDevicesByTheBeginningOfTheirIds)
        {
            var beginning = CutText(device.DeviceId, IndexedPart);
            foreach (var other in Data.Inboxes.Keys.Where(other => other.UserId == device.UserId && CutText(other.DeviceId, IndexedPart) == beginning))
                Data.Inboxes.Remove(other);
        }

        if (fault != Fault.RemovesAllDevicesOfTheUser) return;
        foreach (var other in Data.Inboxes.Keys.Where(other => other.UserId == device.UserId)) Data.Inboxes.Remove(other);
    }

    protected override void RemoveRecords(DeviceAddress device)
    {
        if (fault != Fault.KeepsRecordsOfRemovedDevices) base.RemoveRecords(device);
    }

    protected override bool IsOf(string endpoint, TransactionKey key) => fault switch
    {
        Fault.PurgesAllEndpoints => true,
        Fault.TakesSendsWithoutDeviceForEdus => key.DeviceId is null == (endpoint == TransactionKey.DirectToDevice),
        _ => base.IsOf(endpoint, key),
    };

    protected override int Purge(string endpoint, DateTimeOffset lastUsedBefore, int atMost)
    {
        switch (fault)
        {
            case Fault.PurgesNothing: return 0;
            case Fault.PurgesTheMomentItself: return base.Purge(endpoint, lastUsedBefore + TimeSpan.FromTicks(1), atMost);
            case Fault.PurgesAllThatIsDue: return base.Purge(endpoint, lastUsedBefore, int.MaxValue);
            case Fault.PurgesAllRemovals: Data.Removals.Clear(); break;
            case Fault.PurgesMessages:
                foreach (var inbox in Data.Inboxes.Values) inbox.Messages.Clear();
                break;
        }

        return base.Purge(endpoint, lastUsedBefore, atMost);
    }

    protected override IReadOnlyList<OutboxEntry> ReadEdus(string destination, long after, int limit)
    {
        if (fault == Fault.CutsDestinations) destination = CutText(destination, ShortColumn);
        after = fault switch
        {
            Fault.ReadsEdusFromTheOldest => 0,
            Fault.ReadsEdusFromThePositionOn => after - 1,
            Fault.ReadsEdusBehindAnyThatWasNamed or Fault.NotesRemovedEdusBesideTheDatabase => Math.Max(after, Data.Beside.GetValueOrDefault(destination)),
            _ => after,
        };
        var edus = base.ReadEdus(destination, after, limit);
        if (fault == Fault.RemovesEdusThatItReads && edus.Count > 0) base.RemoveEdus(destination, edus);
        if (fault == Fault.StampsEdusWhenTheyAreRead) return [.. edus.Select(edu => edu with { CommittedAt = _time.GetUtcNow() })];
        if (fault == Fault.StampsEdusAtAppend) return [.. edus.Select(edu => edu with { CommittedAt = _appended[edu.MessageId] })];
        return edus;
    }

    protected override void RemoveEdus(string destination, IReadOnlyList<OutboxEntry> edus)
    {
        var waiting = base.ReadEdus(destination, 0, int.MaxValue);
        if (fault == Fault.RemovesAllEdusOfADestination) edus = waiting;
        if (fault == Fault.RemovesEdusUpToTheLast) edus = [.. waiting.Where(edu => edu.Position <= edus[^1].Position)];
        if (fault == Fault.RemovesAllEdusOrNone && edus.Any(removed => !waiting.Any(edu => Is(edu, removed)))) return;
        if (fault == Fault.ReadsEdusBehindAnyThatWasNamed || (fault == Fault.NotesRemovedEdusBesideTheDatabase && waiting.Any(edu => Is(edu, edus[^1]))))
            Data.Beside[destination] = edus[^1].Position;
        base.RemoveEdus(destination, edus);
        if (fault == Fault.ForgetsHoldersOfEmptiedDestinations && !Data.Edus.ContainsKey(destination)) Data.Leases.Remove(destination);
        if (fault != Fault.RemovesEdusOfAllDestinations) return;
        foreach (var other in Data.Edus.Keys.ToList()) base.RemoveEdus(other, base.ReadEdus(other, 0, int.MaxValue));
    }

    protected override bool Is(OutboxEntry edu, OutboxEntry removed) => fault switch
    {
        Fault.RemovesEdusByPositionAlone => edu.Position == removed.Position,
        Fault.RemovesEdusByMessageIdAlone => edu.MessageId == removed.MessageId,
        _ => base.Is(edu, removed),
    };

    protected override void ForgetIfEmpty(string destination)
    {
        if (fault != Fault.RemembersEmptyDestinations) base.ForgetIfEmpty(destination);
    }

    protected override void ForgetDeadHolders(DateTimeOffset now)
    {
        if (fault != Fault.RemembersDeadHolders) base.ForgetDeadHolders(now);
    }

    protected override void FreeSince(ReferenceData.Lease lease, DateTimeOffset now)
    {
        if (fault != Fault.KeepsThePlaceOfEmptiedDestinations) base.FreeSince(lease, now);
    }

    protected override bool IsTooFar(DateTimeOffset takenUntil, DateTimeOffset longest) =>
        fault != Fault.WaitsForTimesThatAreTooFarAway && base.IsTooFar(takenUntil, longest);

    protected override bool HasFailed(string destination) => fault != Fault.GivesFailingDestinationsInTheirTurn && base.HasFailed(destination);

    protected override IReadOnlyList<string> ListDestinations(string? after, int limit) => fault switch
    {
        Fault.SortsDestinationsWithoutCase =>
            [.. Data.Edus.Keys.Order(StringComparer.OrdinalIgnoreCase).Where(one => after is null || StringComparer.OrdinalIgnoreCase.Compare(one, after) > 0).Take(limit)],
        Fault.ListsEmptiedDestinations =>
            [.. _destinations.Order(StringComparer.Ordinal).Where(one => after is null || string.CompareOrdinal(one, after) > 0).Take(limit)],
        _ => base.ListDestinations(after, limit),
    };

    public override async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        if (fault == Fault.GivesHoldersTheirOwnAgain)
        {
            lock (Data.Lock)
                foreach (var lease in Data.Leases.Values.Where(lease => lease.Holder == holder)) lease.TakenUntil = _time.GetUtcNow();
        }

        if (fault != Fault.LooksForFreeDestinationsThenTakes) return await base.AcquireAsync(holder, duration, limit, failingLimit, longestPause, cancellationToken);

        var free = await DoOutboxAsync(() => FindFree(limit, failingLimit, longestPause), cancellationToken);
        await SlowStepAsync();
        return await DoOutboxAsync(() => Take(free, holder, duration), CancellationToken.None);
    }

    protected override ReferenceData.Lease LeaseOf(string destination)
    {
        if (fault != Fault.KeepsHoldersForEachInstance) return base.LeaseOf(destination);
        if (!_ownLeases.TryGetValue(destination, out var lease)) _ownLeases.Add(destination, lease = new());
        return lease;
    }

    protected override List<string> FindFree(int limit, int failingLimit, TimeSpan longestPause) => fault switch
    {
        Fault.GivesDestinationsToEverybody => [.. Data.Edus.Keys.Take(limit)],
        Fault.GivesEmptyDestinations => [.. _destinations.Where(destination => LeaseOf(destination).TakenUntil <= _time.GetUtcNow()).Take(limit)],
        Fault.GivesDestinationsInTheirOrder => [.. base.FindFree(int.MaxValue, int.MaxValue, longestPause).Order(StringComparer.Ordinal).Take(limit)],
        Fault.WaitsForDeadHolders => [.. base.FindFree(int.MaxValue, int.MaxValue, longestPause).Where(destination => LeaseOf(destination).Holder is null).Take(limit)],
        Fault.LeavesFailingDestinationsAlone => base.FindFree(limit, 0, longestPause),
        Fault.IgnoresTheLimitOfFailingDestinations => base.FindFree(limit, limit, longestPause),
        _ => base.FindFree(limit, failingLimit, longestPause),
    };

    protected override List<string> FindThese(IReadOnlyList<string> destinations) => fault switch
    {
        Fault.GivesNamedDestinationsThatAreTaken => [.. Data.Edus.Keys.Intersect(destinations).Where(name => LeaseOf(name).Failures == 0)],
        Fault.GivesNamedDestinationsThatHaveFailed => [.. base.FindFree(int.MaxValue, int.MaxValue, TimeSpan.FromDays(1)).Intersect(destinations)],
        _ => base.FindThese(destinations),
    };

    protected override bool Renew(ReferenceData.Lease lease, string holder, TimeSpan duration, long sendingUpTo)
    {
        if (fault == Fault.NotesForAnybody) lease.SendingUpTo = sendingUpTo;
        if (fault == Fault.NotesAtTheReleaseOnly && lease.Holder == holder)
            (_noted, sendingUpTo) = (sendingUpTo, lease.SendingUpTo);
        return base.Renew(lease, holder, duration, sendingUpTo);
    }

    protected override void Release(ReferenceData.Lease lease, string holder, int failures, TimeSpan pause)
    {
        if (fault == Fault.ReleasesForAnybody) lease.Holder = holder;
        if (fault == Fault.NotesAtTheReleaseOnly) lease.SendingUpTo = _noted;
        base.Release(
            lease, holder, fault == Fault.ForgetsFailures ? 0 : failures, fault == Fault.IgnoresPauses ? TimeSpan.Zero : pause);
    }

    private void FreeForNewEdu(string destination)
    {
        var lease = LeaseOf(destination);
        if (fault == Fault.FreesDestinationsWithNewEdus || (fault == Fault.EndsPausesWithNewEdus && lease.Holder is null))
            lease.TakenUntil = _time.GetUtcNow();
        if (fault == Fault.CountsFromTheNewestEdu) base.FreeSince(lease, _time.GetUtcNow());
    }

    protected override void ThrowIfCancelled(CancellationToken cancellationToken)
    {
        if (fault != Fault.IgnoresCancellation) base.ThrowIfCancelled(cancellationToken);
    }

    protected override void ThrowIfOutboxCancelled(CancellationToken cancellationToken)
    {
        if (fault != Fault.IgnoresCancellationInTheOutbox) base.ThrowIfOutboxCancelled(cancellationToken);
    }

    private static string Lower(string text) => text.ToLowerInvariant();

    private static string CutText(string text, int length = Cut) => text[..Math.Min(text.Length, length)];

    private static byte[] Parse(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            return JsonSerializer.SerializeToUtf8Bytes(document.RootElement);
        }
        catch (JsonException)
        {
            return content.ToArray();
        }
    }

    /// <summary>Stands for another round trip to a database: others get a turn.</summary>
    private static async Task SlowStepAsync()
    {
        await Task.Delay(Random.Shared.Next(1, 3));
        // On a busy machine the delays of all senders end together, and in order.
        for (var turns = Random.Shared.Next(10); turns > 0; turns--) await Task.Yield();
    }

    private async ValueTask<CommitResult> CommitInStepsAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        // The record comes first where it is not the point, so that duplicates are still found.
        var objection = await DoAsync(
            () =>
            {
                var result = Check(transaction);
                if (result is null && fault != Fault.RecordsAfterDelivering) Record(transaction);
                return result;
            },
            cancellationToken);
        if (objection is not null) return objection.Value;

        if (fault is Fault.RecordsAfterDelivering or Fault.SendsEdusAfterDelivering)
        {
            await DoAsync(() => transaction.Messages.ForEach(Deliver), CancellationToken.None);
            await SlowStepAsync();
        }
        else
        {
            for (var n = 0; n < transaction.Messages.Count; n++)
            {
                var message = transaction.Messages[n];
                await DoAsync(() => Deliver(message), fault == Fault.StopsHalfwayThroughACommit ? cancellationToken : CancellationToken.None);
                if (n < SlowSteps) await SlowStepAsync();
            }
        }

        await DoAsync(() => transaction.Edus.ForEach(Deliver), CancellationToken.None);
        await DoAsync(() => Record(transaction), CancellationToken.None);
        return CommitResult.Committed;
    }

    private async ValueTask<CommitResult> CommitUnderInstanceLockAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        await _instanceLock.WaitAsync(cancellationToken);
        try
        {
            List<(ToDeviceMessage Message, long Sequence)> numbered = [];
            lock (Data.Lock)
            {
                if (Check(transaction) is { } objection) return objection;
                foreach (var message in transaction.Messages) numbered.Add((message, Inbox(message.Recipient).LastSequence + 1));
            }

            await SlowStepAsync();
            lock (Data.Lock)
            {
                if (Check(transaction) is { } objection) return objection;
                foreach (var (message, sequence) in numbered)
                {
                    Inbox(message.Recipient).LastSequence = sequence;
                    Deliver(message, sequence);
                }

                transaction.Edus.ForEach(Deliver);
                Record(transaction);
            }

            return CommitResult.Committed;
        }
        finally
        {
            _instanceLock.Release();
        }
    }

    /// <summary>Of what lies behind, whatever has room.</summary>
    private InboxPage LeaveOut(InboxPage page, int maxBytes)
    {
        var bytes = 0L;
        List<InboxMessage> fitting = [];
        foreach (var message in page.Messages)
        {
            if (fitting.Count > 0 && bytes + SizeOf(message) > maxBytes) continue;
            bytes += SizeOf(message);
            fitting.Add(message);
        }

        return new InboxPage(fitting, page.HasMore || fitting.Count < page.Messages.Count);
    }

    private CommitResult? CheckAndNumber(Transaction transaction)
    {
        var objection = Check(transaction);
        if (objection is not null) return objection;
        Number(transaction);
        Record(transaction);
        return null;
    }

    private CommitResult? CheckAndNumberEdus(Transaction transaction)
    {
        var objection = Check(transaction);
        if (objection is not null) return objection;
        NumberEdus(transaction);
        Record(transaction);
        return null;
    }

    private void Number(Transaction transaction) =>
        _numbered[transaction] = [.. transaction.Messages.Select(message => (message, NextSequence(Inbox(message.Recipient))))];

    private void NumberEdus(Transaction transaction) =>
        _numberedEdus[transaction] = [.. transaction.Edus.Select(edu => (edu, NextEdu(edu.Destination)))];

    private void Unlock(Transaction transaction)
    {
        if (!_held.TryRemove(transaction, out var held)) return;
        foreach (var inboxLock in held) inboxLock.Release();
    }

    private long RememberedRemovals()
    {
        lock (Data.Lock) return Data.Removals.Select(removal => removal.Device).Distinct().Count();
    }
}
