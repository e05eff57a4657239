using System.Threading.RateLimiting;

namespace Matrix.ToDevice;

/// <summary>The limiters of sends and EDUs: a host's own, or token buckets as the options say, or none.</summary>
internal sealed class SendRates : IDisposable
{
    private readonly CurrentOptions _options;
    private readonly RateLimiters? _own;
    private readonly TokenBuckets<Requester, string> _senders;
    private readonly TokenBuckets<SenderToRecipient, SenderToRecipient> _recipients;
    private readonly TokenBuckets<string, string> _servers;

    public SendRates(CurrentOptions options, TimeProvider time, RateLimiters? own = null)
    {
        (_options, _own) = (options, own);
        _senders = new(requester => requester.UserId, () => options.Value.RateLimits.Senders, time);
        _recipients = new(pair => pair, () => options.Value.RateLimits.Recipients, time);
        _servers = new(origin => origin, () => options.Value.RateLimits.Servers, time);
    }

    /// <summary>Whether anybody is limited in what goes to one user.</summary>
    public bool LimitRecipients => _own?.Recipients is not null || _options.Value.RateLimits.Recipients is not null;

    /// <summary>For one send; null when there is no limit.</summary>
    public RateLimitLease? OfSender(Requester requester) =>
        _own?.Senders is { } limiter ? limiter.AttemptAcquire(requester)
        : _options.Value.RateLimits.Senders is not null ? _senders.AttemptAcquire(requester)
        : null;

    /// <summary>For the EDUs of one transaction; null when there is no limit.</summary>
    public RateLimitLease? OfServer(string origin, int edus) =>
        edus == 0 ? null
        : _own?.Servers is { } limiter ? limiter.AttemptAcquire(origin, edus)
        : _options.Value.RateLimits.Servers is not null ? _servers.AttemptAcquire(origin, edus)
        : null;

    /// <summary>
    /// For each user that a send names. Those that are refused are told; the others have theirs until it is disposed, and give them back then,
    /// unless they were used.
    /// </summary>
    public RecipientPermits OfRecipients(string sender, IReadOnlyList<string> userIds) =>
        new(_own?.Recipients ?? _recipients, sender, userIds);

    public void Dispose()
    {
        _senders.Dispose();
        _recipients.Dispose();
        _servers.Dispose();
    }

    /// <summary>The permits of one send.</summary>
    internal sealed class RecipientPermits : IDisposable
    {
        private readonly PartitionedRateLimiter<SenderToRecipient> _limiter;
        private readonly string _sender;
        private readonly IReadOnlyList<string> _userIds;
        private readonly RateLimitLease?[] _leases;
        private bool _areUsed;

        public RecipientPermits(PartitionedRateLimiter<SenderToRecipient> limiter, string sender, IReadOnlyList<string> userIds)
        {
            (_limiter, _sender, _userIds, _leases) = (limiter, sender, userIds, new RateLimitLease?[userIds.Count]);
            try
            {
                for (var user = 0; user < _leases.Length; user++)
                {
                    // Nobody floods themselves. And nobody gets what is sent to one that is none, whose text may be of any length.
                    if (userIds[user] == sender || !MatrixUserId.IsPlausible(userIds[user])) continue;
                    _leases[user] = limiter.AttemptAcquire(new SenderToRecipient(sender, userIds[user]));
                    if (!_leases[user]!.IsAcquired) Refused ??= _leases[user];
                }
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        /// <summary>The first one that was refused, if any.</summary>
        public RateLimitLease? Refused { get; }

        public bool IsRefused(int user) => _leases[user] is { IsAcquired: false };

        /// <summary>The send is delivered. What is not may come again, and takes no more than once what it needs.</summary>
        public void Use() => _areUsed = true;

        public void Dispose()
        {
            if (!_areUsed) GiveBack();
            foreach (var lease in _leases) lease?.Dispose();
        }

        private void GiveBack()
        {
            if (_limiter is not TokenBuckets<SenderToRecipient, SenderToRecipient> buckets) return;
            for (var user = 0; user < _leases.Length; user++)
                if (_leases[user] is { IsAcquired: true }) buckets.Return(new SenderToRecipient(_sender, _userIds[user]), 1);
        }
    }
}
