namespace Matrix.ToDevice.Tests;

/// <summary>
/// Compares what devices received with what was sent: each accepted send once for each of its devices, in the order of
/// its sender (D12); of a refused one nothing (D3).
/// </summary>
internal sealed record Checker(int Lost, int Duplicated, int OutOfOrder, int Unexpected)
{
    public bool IsClean => this is { Lost: 0, Duplicated: 0, OutOfOrder: 0, Unexpected: 0 };

    /// <summary>Checks a run at whose end every send has been answered and every device has emptied its inbox.</summary>
    public static Checker Check(History history) => Check(history, _ => true);

    /// <summary>The same for some of the senders.</summary>
    public static Checker Check(History history, Func<int, bool> isOf)
    {
        int lost = 0, duplicated = 0, outOfOrder = 0, unexpected = 0;
        var expected = new Dictionary<string, HashSet<History.Message>>();
        foreach (var send in history.Sends.Where(send => isOf(send.Sender) && send.Outcome == History.Outcome.Accepted))
        {
            foreach (var deviceId in send.DeviceIds)
            {
                if (!expected.TryGetValue(deviceId, out var ofDevice)) expected.Add(deviceId, ofDevice = []);
                ofDevice.Add(new History.Message(send.Sender, send.Number));
            }
        }

        foreach (var deviceId in expected.Keys.Union(history.Received.Keys))
        {
            var outstanding = expected.GetValueOrDefault(deviceId)?.ToHashSet() ?? [];
            var seen = new HashSet<History.Message>();
            var last = new Dictionary<int, int>();
            foreach (var message in (history.Received.GetValueOrDefault(deviceId) ?? []).Where(message => isOf(message.Sender)))
            {
                if (!seen.Add(message))
                {
                    duplicated++;
                    continue;
                }

                if (!outstanding.Remove(message)) unexpected++;
                if (last.TryGetValue(message.Sender, out var before) && before > message.Number) outOfOrder++;
                last[message.Sender] = message.Number;
            }

            lost += outstanding.Count;
        }

        return new Checker(lost, duplicated, outOfOrder, unexpected);
    }
}
