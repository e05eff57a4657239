using Microsoft.Extensions.ObjectPool;

namespace Matrix.ToDevice;

/// <summary>
/// An object of a pool in the hands of one owner, a new one each time. Returned twice, it goes back once; when it is back, its owner
/// cannot reach it: nobody gets what is somebody else's by then.
/// </summary>
internal struct Rented<T> where T : class, IResettable, new()
{
    // As many as requests are likely to be under way at once.
    private const int MaxPooled = 256;

    private static readonly DefaultObjectPool<T> s_pool = new(new DefaultPooledObjectPolicy<T>(), MaxPooled);

    private T? _value = s_pool.Get();

    public Rented()
    {
    }

    public readonly T Value => _value ?? throw new ObjectDisposedException(typeof(T).Name);

    public void Return()
    {
        if (Interlocked.Exchange(ref _value, null) is { } value) s_pool.Return(value);
    }
}
