namespace Matrix.ToDevice;

/// <summary>
/// The places from which this host sends, each to one destination. Those that fail, or keep their place waiting, have a part of them, and
/// those that nobody has heard of yet a part of the others, so that there are always some for servers that work (D22).
/// </summary>
internal sealed class SendingPlaces(int all, int forFailing)
{
    private readonly int _all = all, _forFailing = forFailing, _forUnknown = all - forFailing - ((all - forFailing) / 2);
    private readonly Lock _lock = new();
    private int _taken, _failing, _unknown;

    /// <summary>
    /// How many are free for destinations that work and are asked for by name, so that some are left for whoever stands in the line; how
    /// many for that line; and how many of these for those that fail.
    /// </summary>
    public (int ByName, int InLine, int ForFailing) Free
    {
        get
        {
            lock (_lock)
            {
                var free = _all - _taken;
                var forUnknown = Math.Max(0, _forUnknown - _unknown);
                var forFailing = Math.Min(free, _forFailing - _failing);
                return (Math.Max(0, free - forUnknown), Math.Min(free, forFailing + forUnknown), forFailing);
            }
        }
    }

    /// <summary>Takes a place; null when there is none for such a destination.</summary>
    public Place? Take(Standing standing)
    {
        lock (_lock)
        {
            // Who fails gives way.
            if (standing == Standing.Unknown && _unknown >= _forUnknown) standing = Standing.Failing;
            if (_taken == _all || (standing == Standing.Failing && _failing == _forFailing)) return null;
            _taken++;
            Count(standing, 1);
            return new Place(this, standing);
        }
    }

    private void Count(Standing standing, int change)
    {
        if (standing == Standing.Failing) _failing += change;
        if (standing == Standing.Unknown) _unknown += change;
    }

    /// <summary>The place of one destination, until it is disposed.</summary>
    internal sealed class Place(SendingPlaces places, Standing standing) : IDisposable
    {
        private Standing _standing = standing;

        /// <summary>Whether no place is left: somebody may wait for this one.</summary>
        public bool IsTheLast
        {
            get
            {
                lock (places._lock) return places._taken == places._all;
            }
        }

        /// <summary>Its destination is one of those that fail, from now on; false when these have all that they may have.</summary>
        public bool TryFail()
        {
            lock (places._lock)
            {
                if (_standing == Standing.Failing) return true;
                if (places._failing == places._forFailing) return false;
                Become(Standing.Failing);
                return true;
            }
        }

        /// <summary>Its destination has answered as it should.</summary>
        public void Recover()
        {
            lock (places._lock) Become(Standing.Working);
        }

        public void Dispose()
        {
            lock (places._lock)
            {
                Become(Standing.Working);
                places._taken--;
            }
        }

        private void Become(Standing standing)
        {
            places.Count(_standing, -1);
            places.Count(_standing = standing, 1);
        }
    }
}

/// <summary>What is known of a destination.</summary>
internal enum Standing
{
    /// <summary>It answered this host with a 200, and has not failed since.</summary>
    Working,

    /// <summary>Nothing: it may have been made up.</summary>
    Unknown,

    /// <summary>It failed the last time, or is slow.</summary>
    Failing,
}
