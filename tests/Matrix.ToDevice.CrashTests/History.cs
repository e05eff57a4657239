namespace Matrix.ToDevice.Tests;

/// <summary>What the clients of a run did and saw: all that a <see cref="Checker"/> goes by.</summary>
internal sealed class History
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(int Sender, int Number), Send> _sends = [];
    private readonly Dictionary<string, List<Message>> _received = [];
    private int _accepted;

    /// <summary>How often a request was sent again because its answer did not come, or was a 5xx.</summary>
    public int Retries { get; private set; }

    public IReadOnlyCollection<Send> Sends => _sends.Values;

    /// <summary>For each device, the messages of all responses that it processed, in that order.</summary>
    public IReadOnlyDictionary<string, List<Message>> Received => _received;

    public void Sending(int sender, int number, IReadOnlyList<string> deviceIds)
    {
        lock (_lock) _sends.Add((sender, number), new Send(sender, number, deviceIds));
    }

    public void Retrying()
    {
        lock (_lock) Retries++;
    }

    public void Answered(int sender, int number, Outcome outcome)
    {
        lock (_lock)
        {
            _sends[(sender, number)].Outcome = outcome;
            if (outcome == Outcome.Accepted) _accepted++;
        }
    }

    public void ReceivedBy(string deviceId, IEnumerable<Message> messages)
    {
        lock (_lock)
        {
            if (!_received.TryGetValue(deviceId, out var received)) _received.Add(deviceId, received = []);
            received.AddRange(messages);
        }
    }

    /// <summary>How many messages all devices have received.</summary>
    public int ReceivedCount
    {
        get
        {
            lock (_lock) return _received.Values.Sum(received => received.Count);
        }
    }

    /// <summary>The sends that have been accepted by now.</summary>
    public List<Send> Accepted()
    {
        lock (_lock) return [.. _sends.Values.Where(send => send.Outcome == Outcome.Accepted)];
    }

    /// <summary>How many sends were accepted that a device to which all of them go has not received.</summary>
    public int Backlog(string deviceId)
    {
        lock (_lock) return _accepted - (_received.GetValueOrDefault(deviceId)?.Count ?? 0);
    }

    /// <summary>The transactions that are under way: sent, and not answered.</summary>
    public List<Send> Unanswered()
    {
        lock (_lock) return [.. _sends.Values.Where(send => send.Outcome == Outcome.Unanswered)];
    }

    internal enum Outcome { Unanswered, Accepted, Refused }

    internal readonly record struct Message(int Sender, int Number);

    internal sealed class Send(int sender, int number, IReadOnlyList<string> deviceIds)
    {
        public int Sender => sender;
        public int Number => number;
        public string TxnId => $"txn-{number}";
        public IReadOnlyList<string> DeviceIds => deviceIds;
        public Outcome Outcome { get; set; }
    }
}
