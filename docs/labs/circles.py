# ---
# title: Stub
# ---
# %% [markdown]
# # Stub: move the circles
#
# A stub lab. Inline $x^2$ and a link to [the chapter](../learn/normalize-your-data.md).
#
# $$\mu = \frac{1}{n}\sum_i x_i$$
#
# ## A table
#
# | a | b |
# |---|---|
# | 1 | 2 |

# %%
# Two circles, the second moved
import matplotlib.pyplot as plt

plt.plot([0, 1], [0, 1])

# %%
print("a very wide line of output " * 8)
