namespace Matrix.ToDevice;

/// <summary>
/// The places from which this host sends, each to one destination. Those that fail, or keep their place waiting, have a part of them, so
/// that there are always some for the others (D22).
/// </summary>
internal sealed class SendingPlaces(int all, int forFailing)
{
    private readonly int _all = all, _forFailing = forFailing;
    private readonly Lock _lock = new();
    private int _taken, _failing;

    /// <summary>How many are free, and how many of these a destination may have that has failed.</summary>
    public (int All, int ForFailing) Free
    {
        get
        {
            lock (_lock) return (_all - _taken, Math.Min(_all - _taken, _forFailing - _failing));
        }
    }

    /// <summary>Takes a place; null when there is none for such a destination.</summary>
    public Place? Take(bool isFailing)
    {
        lock (_lock)
        {
            if (_taken == _all || (isFailing && _failing == _forFailing)) return null;
            _taken++;
            if (isFailing) _failing++;
            return new Place(this, isFailing);
        }
    }

    /// <summary>The place of one destination, until it is disposed.</summary>
    internal sealed class Place(SendingPlaces places, bool isFailing) : IDisposable
    {
        private bool _isFailing = isFailing;

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
                if (_isFailing) return true;
                if (places._failing == places._forFailing) return false;
                places._failing++;
                return _isFailing = true;
            }
        }

        /// <summary>Its destination has answered as it should.</summary>
        public void Recover()
        {
            lock (places._lock)
            {
                if (_isFailing) places._failing--;
                _isFailing = false;
            }
        }

        public void Dispose()
        {
            Recover();
            lock (places._lock) places._taken--;
        }
    }
}
